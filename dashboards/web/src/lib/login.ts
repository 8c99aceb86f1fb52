/**
 * The login, shared by all tabs of the browser. At the gateway that the page came from, its tokens are in cookies that no
 * script can read, and what is kept here is who it is and the token against forged requests; for a page that is hosted elsewhere
 * no cookie travels, and the tokens are kept here.
 */

/** What `POST /api/login` and `POST /api/refresh` answer. */
export interface Granted {
  readonly access_token: string | null;
  readonly refresh_token: string | null;
  readonly csrf_token: string;
  readonly expires_in: number;
  readonly username: string;
  readonly role: string;
  readonly accounts: readonly string[];
}

const KEY = "hft.login";

export class LoginStore {
  get held(): Granted | null {
    const text = localStorage.getItem(KEY);
    return text === null ? null : (JSON.parse(text) as Granted);
  }

  hold(granted: Granted | null): void {
    if (granted === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(granted));
  }

  /** Counts as another one after each refresh, whichever tab made it. */
  get generation(): string {
    return localStorage.getItem(KEY) ?? "";
  }

  get headers(): Readonly<Record<string, string>> {
    const held = this.held;
    if (held === null) return {};
    return held.access_token === null ? { "X-CSRF-Token": held.csrf_token } : { Authorization: `Bearer ${held.access_token}` };
  }
}

/** One tab at a time: a refresh token is good once, and one that comes again ends the login. */
export async function alone<Value>(run: () => Promise<Value>): Promise<Value> {
  // Locks are there over https and on localhost, which are the only places where a login is.
  return navigator.locks === undefined ? await run() : await navigator.locks.request(KEY, run);
}

/** Choices that outlive a reload (local storage), and the login, which lasts as long as its tab (session storage). */
import type { Login } from "./api";

const PREFIX = "hft.";
const LOGIN = `${PREFIX}login`;

/** What was chosen last; it may no longer be among the choices. */
export function recalled(name: string): string | null {
  return localStorage.getItem(PREFIX + name);
}

export function remember(name: string, value: string): void {
  localStorage.setItem(PREFIX + name, value);
}

export function savedLogin(): Login | null {
  const text = sessionStorage.getItem(LOGIN);
  return text === null ? null : (JSON.parse(text) as Login);
}

export function saveLogin(login: Login | null): void {
  if (login === null) sessionStorage.removeItem(LOGIN);
  else sessionStorage.setItem(LOGIN, JSON.stringify(login));
}

-- Who may do what: logins that can be ended, keys of programs, and what has been revoked.

ALTER TABLE users ADD COLUMN disabled boolean NOT NULL DEFAULT false;

CREATE TABLE sessions (
    session text PRIMARY KEY,
    username text NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_s bigint NOT NULL
);
COMMENT ON COLUMN sessions.generation IS 'how often its refresh token was changed; an older one that comes again is stolen';
CREATE INDEX sessions_of_user ON sessions (username);

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    username text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    accounts text[] NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_s bigint NOT NULL
);
COMMENT ON COLUMN api_keys.token_hash IS 'SHA-256 of the key, which is shown once and kept nowhere';
CREATE INDEX api_keys_of_user ON api_keys (username);

CREATE TABLE revocations (
    session text PRIMARY KEY,
    expires_s bigint NOT NULL
);
COMMENT ON TABLE revocations IS 'sessions and keys whose tokens are refused until expires_s, when the last of them ends';

CREATE FUNCTION tell_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('revocations', NEW.session || ' ' || NEW.expires_s);
    RETURN NEW;
END
$$;
CREATE TRIGGER revocation_told AFTER INSERT OR UPDATE ON revocations FOR EACH ROW EXECUTE FUNCTION tell_revocation();

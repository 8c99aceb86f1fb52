-- What users keep of the web page: named arrangements of its panels.

CREATE TABLE layouts (
    username text NOT NULL,
    name text NOT NULL,
    layout jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (username, name)
);

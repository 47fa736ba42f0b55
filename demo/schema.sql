-- The demo's tables; scripts/demo.sh fills them.
CREATE TABLE packages (
    id               integer PRIMARY KEY,
    name             text NOT NULL,
    section          text NOT NULL,
    installed_kb     integer NOT NULL,
    depends          integer NOT NULL,  -- how many packages it depends on
    architecture_all boolean NOT NULL,
    tags             text[] NOT NULL,
    summary          text NOT NULL,
    embedding        vector(384) NOT NULL
);

CREATE TABLE questions (
    id        integer PRIMARY KEY,
    question  text NOT NULL UNIQUE,
    embedding vector(384) NOT NULL
);

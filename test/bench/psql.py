"""A session of a PostgreSQL server through psql, so that nothing but the standard library is needed."""

import subprocess

MARK = "--- done ---"


class SqlError(Exception):
    pass


class Session:
    """One psql process, hence one backend, in the database and server that PGHOST and PGUSER name."""

    def __init__(self, database):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = int(self.value("SELECT pg_backend_pid()"))

    def rows(self, sql):
        """Runs the statements and returns the rows of all answers, each a list of strings."""
        self.process.stdin.write(f"{sql}\n;\n\\echo {MARK}\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if line == "":
                raise SqlError(f"{''.join(lines)}in: {sql}")
            if line.rstrip("\n") == MARK:
                return [line.rstrip("\n").split("\t") for line in lines]
            if line.startswith(("NOTICE:", "WARNING:", "HINT:", "DETAIL:")):
                continue
            lines.append(line)

    def value(self, sql):
        """The first column of the first row."""
        return self.rows(sql)[0][0]

    def run(self, sql):
        self.rows(sql)

    def set(self, settings):
        for name, value in settings.items():
            self.run(f"SET {name} = {value}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def copy_vectors(vectors, path, database, target, rows=0):
    """Copies a vector file's first rows (0: all) into `target`, a table with columns for number and vector."""
    command = [vectors, path] + ([str(rows)] if rows else [])
    reader = subprocess.Popen(command, stdout=subprocess.PIPE)
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", f"COPY {target} FROM stdin"],
                   stdin=reader.stdout, check=True)
    reader.stdout.close()
    if reader.wait() != 0:
        raise SqlError(f"{path} could not be read")

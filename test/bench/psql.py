"""A session of a PostgreSQL server through psql, so that nothing but the standard library is needed."""

import subprocess

from memory import process_cpu_seconds, thread_cpu_seconds

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

    def cpu_seconds(self):
        """Processor time of the backend, to the nanosecond; without threads that an extension starts."""
        return thread_cpu_seconds(self.pid)

    def total_cpu_seconds(self):
        """The same with all threads, to 10 milliseconds."""
        return process_cpu_seconds(self.pid)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

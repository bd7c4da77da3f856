from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from local_stack import programs, seed, servers, static_files
from local_stack.cast import PROVIDERS, Cast
from local_stack.installation import Secrets
from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import (
    Process,
    ProcessFailed,
    Program,
    Start,
    execute,
    run_to_end,
    stop_all,
)
from local_stack.simulators import Simulator, make_identities

WATCH_EVERY_S = 0.2
RESTARTS_MAX = 3
RESTARTS_WITHIN_S = 60.0


class Stack:
    """Every process of the portal on this machine, each by its name, with its own database.

    The processes are `redis`, one per provider (`northgate`, `tidewall`), `web`, `signal-1` and so
    on, `worker`, `notices` and `beat`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        web_port: int | None = None,
        simulators: Sequence[Simulator] | None = None,
        cast: Cast | None = None,
        signal_workers: int = 1,
        database_url: str | None = None,
        environment: dict[str, str] | None = None,
        environments: Mapping[str, Mapping[str, str]] | None = None,
        is_prepared: bool = False,
        without: Collection[str] = (),
        on_step: Callable[[str], None] = lambda _: None,
        on_line: Callable[[str, str], None] | None = None,
        start_program: Start = execute,
    ) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.simulators = (
            [Simulator.on_free_ports(provider) for provider in PROVIDERS]
            if simulators is None
            else list(simulators)
        )
        self._cast = cast or Cast()
        self.secrets = Secrets.kept_in(
            self.directory / "secrets.json", [user.username for user in self._cast.users]
        )
        self.web_port = free_port() if web_port is None else web_port
        self.url = f"http://{LOOPBACK}:{self.web_port}"
        self.redis_port = free_port()
        self.redis_url = f"redis://:{self.secrets.redis_password}@{LOOPBACK}:{self.redis_port}/0"
        self.database_url = database_url or f"sqlite:///{self.directory}/stack.sqlite3"
        self.environment = self._environment() | (environment or {})
        self._environments = environments or {}
        "additional variables of single processes, by their names"
        self._is_prepared = is_prepared
        "the directory and the database have what `prepare` makes"
        self._without = frozenset(without)
        "processes that are not started"
        self._on_step = on_step
        self._on_line = on_line
        self._start_program = start_program
        self._signal_workers = signal_workers
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    @property
    def processes(self) -> list[Process]:
        return list(self._processes.values())

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def mail(self) -> Path:
        """The folder in which the portal keeps its mail, one file each, instead of sending it."""
        return self.directory / "mail"

    @property
    def signal_workers(self) -> list[Process]:
        return [self[name] for name in self._processes if name.startswith("signal-")]

    def simulator(self, key: str) -> Simulator:
        """The simulated provider of that key, for example `northgate`."""
        return next(one for one in self.simulators if one.provider.key == key)

    def start(self) -> None:
        """Start everything in order, each process after those it needs; stop everything on a
        failure.
        """
        try:
            self._start_redis()
            if not self._is_prepared:
                self._prepare()
            self._on_step("Starting the providers, the web server and the workers")
            wanted = [one for one in self._portal_programs() if one.name not in self._without]
            for process in [self._launch(program) for program in wanted]:
                process.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Make what a start needs: certificates, static files, tables and their first rows."""
        try:
            self._start_redis()
            self._prepare()
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop the portal first, so that it can close its sessions with the providers;
        Redis last.
        """
        providers = {simulator.provider.key for simulator in self.simulators}
        stop_all(one for name, one in self._processes.items() if name not in {*providers, "redis"})
        stop_all(one for name, one in self._processes.items() if name in providers)
        stop_all(one for name, one in self._processes.items() if name == "redis")

    def manage(self, *arguments: str, standard_input: str = "") -> str:
        """Run a command of manage.py on this installation; return the end of its output."""
        program = programs.manage(arguments, standard_input, self.environment)
        return run_to_end(program, self._log_path("manage"), self._start_program)

    def first_failure(self) -> ProcessFailed | None:
        """The first process that exited although it should run."""
        for process in self._processes.values():
            if not process.is_running:
                return process.failure()
        return None

    def watch(self, *, on_tick: Callable[[], None]) -> NoReturn:
        """Restart processes that exit; raise if that does not help."""
        ends: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RESTARTS_MAX + 1))
        while True:
            on_tick()
            time.sleep(WATCH_EVERY_S)
            for name, process in self._processes.items():
                if process.is_running:
                    continue
                ends[name].append(time.monotonic())
                if len(ends[name]) > RESTARTS_MAX and (
                    ends[name][-1] - ends[name][0] < RESTARTS_WITHIN_S
                ):
                    raise process.failure()
                self._on_step(f"{process.failure()}; starting it again")
                process.start()

    def _start_redis(self) -> None:
        self._on_step("Starting Redis")
        redis = self._launch(
            servers.redis_program(
                port=self.redis_port,
                password=self.secrets.redis_password,
                directory=self.directory / "redis",
            )
        )
        redis.wait_until_ready()

    def _prepare(self) -> None:
        self._on_step("Preparing the providers' certificates")
        identities = make_identities(
            self.simulators,
            self.pki,
            self.environment,
            self._log_path("pki"),
            self._cast.organizations,
            self._start_program,
        )
        self._on_step("Collecting the pages' static files")
        static_files.collect_if_changed(self.manage)
        self._on_step("Preparing the database")
        self.manage("migrate", "--no-input")
        self.manage(
            "seed_demo",
            standard_input=seed.describe(self.secrets, self.simulators, identities, self._cast),
        )
        if self._cast.has_examples:
            self.manage("seed_examples", standard_input=seed.describe_examples(self._cast))

    def _portal_programs(self) -> Iterator[Program]:
        for simulator in self.simulators:
            yield simulator.program(self.pki, self.environment)
        yield programs.web(self.web_port, self.environment)
        for number in range(self._signal_workers):
            yield programs.signal_worker(f"signal-{number + 1}", self.environment)
        yield programs.default_worker(self.environment)
        yield programs.notice_worker(self.environment)
        yield programs.beat(self.directory / "beat-schedule", self.environment)

    def _launch(self, program: Program) -> Process:
        own = self._environments.get(program.name, {})
        program = replace(program, environment={**program.environment, **own})
        process = Process(program, self._log_path(program.name), self._on_line, self._start_program)
        self._processes[program.name] = process
        process.start()
        return process

    def _log_path(self, name: str) -> Path:
        return self.directory / "log" / f"{name}.log"

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            # A private installation must not reach into the one that the shell is configured for.
            if not name.startswith(("PORTAL_", "DATABASE_URL", "DJANGO_"))
        }
        # MALLOC_ARENA_MAX: as in the Dockerfile.
        return (
            {"MALLOC_ARENA_MAX": "2"}
            | inherited
            | {
                "PYTHONUNBUFFERED": "1",
                "DATABASE_URL": self.database_url,
                "PORTAL_REDIS_URL": self.redis_url,
                "PORTAL_SECRET_KEY": self.secrets.secret_key,
                "PORTAL_ENCRYPTION_KEYS": self.secrets.secrets_key,
                "PORTAL_HOSTS": f"{LOOPBACK},localhost",
                "PORTAL_HTTPS": "0",
                "PORTAL_ADDRESS": self.url,
                "PORTAL_EMERGENCY_PHONE": "+1 555 0100",
                "PORTAL_MAIL_URL": self.mail.as_uri(),
            }
        )

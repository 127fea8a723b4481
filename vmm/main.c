// SPDX-License-Identifier: GPL-2.0-or-later
/* Subcommands; the only place that exits, and the only one with globals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/commands.h"
#include "config.h"
#include "control/control.h"
#include "control/rundir.h"
#include "detach.h"
#include "error.h"
#include "gdb/server.h"
#include "log.h"
#include "options.h"
#include "sandbox/keeper.h"
#include "status.h"
#include "terminal.h"
#include "vm.h"

enum log_level log_level = LOG_WARN;

/* What the main loop knows while a VM runs. */
struct runner {
	struct vm vm;
	struct gdb_server *gdb;
	struct loop_fd signals;
	unsigned int presses; /* of the power button, by signal */
	int stopped_by;	      /* the signal that stopped the VM, or 0 */
	struct detach detach;
	int keeper_fd;		/* with --sandbox strict */
	struct loop_call ready; /* the VM runs; only for --detach */
	struct error not_ready; /* why nobody could be told */
};

static void print_error(const struct error *err)
{
	fprintf(stderr, "vireo: %s\n", err->text);
}

/* The first request is polite, the second is not; SIGHUP never is. */
static void on_signal(void *opaque, uint32_t events)
{
	struct runner *r = opaque;
	struct signalfd_siginfo info;

	(void)events;
	if (read(r->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT) {
		terminal_resume();
		return;
	}
	if (info.ssi_signo != SIGHUP && !r->presses++) {
		log_info(NULL, "power button pressed by signal %u",
			 info.ssi_signo);
		vm_power_button(&r->vm);
		return;
	}
	r->stopped_by = (int)info.ssi_signo;
	vm_request_by(&r->vm, VM_REQ_STOP, VM_BY_SIGNAL);
}

/*
 * A crash of the VMM itself must not leave the terminal raw.  The second time,
 * the signal does what it does by default: ends the process, but not one that
 * is the first of its namespace, as in a strict sandbox.
 */
static void on_fatal(int sig)
{
	terminal_restore();
	raise(sig);
	_exit(STATUS_SIGNAL + sig);
}

static int setup_signals(struct runner *r, struct error *err)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_handler = on_fatal,
				.sa_flags = (int)SA_RESETHAND | SA_NODEFER };
	sigset_t set;
	size_t i;

	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signals.fd < 0)
		return error_sys(err, errno, "cannot make a signalfd");
	r->signals.events = EPOLLIN;
	r->signals.fn = on_signal;
	r->signals.opaque = r;
	return loop_fd_add(r->vm.loop, &r->signals);
}

/* options.c has checked the word. */
static enum log_level level_named(const char *name)
{
	static const char *const names[] = { "error", "warn", "info" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return (enum log_level)i;
	return LOG_DEBUG;
}

static int run_status(struct runner *r, int ended, const struct error *err)
{
	switch (ended) {
	case VM_REQ_SHUTDOWN:
		return STATUS_OFF;
	case VM_REQ_STOP:
		return r->stopped_by ? STATUS_SIGNAL + r->stopped_by :
				       STATUS_STOPPED;
	case VM_REQ_CRASH:
		print_error(err);
		return STATUS_CRASH;
	default:
		print_error(err);
		return STATUS_ERROR;
	}
}

/* The loop runs: so do the vCPUs, and what asks at a socket is answered. */
static void on_ready(void *opaque)
{
	struct runner *r = opaque;

	if (detach_ready(&r->detach, r->vm.cfg->name, &r->not_ready))
		vm_request(&r->vm, VM_REQ_STOP);
}

/* The console that is found by the machine's name. */
static int place_console(char **target, const char *name, struct error *err)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX], *unix_target;
	int rc;

	if (!*target || strcmp(*target, "socket"))
		return 0;
	rc = rundir_open(dir, true, err);
	if (!rc)
		rc = rundir_file(path, dir, name, "console", err);
	if (rc)
		return rc;
	if (asprintf(&unix_target, "unix:%s", path) < 0)
		return error_sys(err, ENOMEM, "cannot name a socket");
	free(*target);
	*target = unix_target;
	return 0;
}

/* What has a name of its own is made; the name is the first free one. */
static int build_vm(struct runner *r, struct config *cfg,
		    struct control **control, struct error *err)
{
	/* First of all: it finds out whether the name is free. */
	int rc = control_open(control, cfg, err);

	if (rc)
		return rc;
	rc = place_console(&cfg->console, cfg->name, err);
	if (!rc)
		rc = place_console(&cfg->vcon.target, cfg->name, err);
	if (!rc)
		rc = vm_create(&r->vm, cfg, err);
	if (rc)
		control_close(*control);
	return rc;
}

/* What is yet to be opened, or told, before nothing of it is possible. */
static int before_lock_in(struct runner *r, struct error *err)
{
	const struct config *cfg = r->vm.cfg;
	int rc = 0;

	if (cfg->gdb.target)
		rc = gdb_server_new(&r->gdb, &r->vm, &cfg->gdb, err);
	if (!rc && cfg->detach) {
		r->ready.fn = on_ready;
		r->ready.opaque = r;
		loop_post(r->vm.loop, &r->ready);
		rc = detach_open_log(&r->detach, cfg->name, err);
	}
	if (!rc && cfg->sandbox == SANDBOX_STRICT)
		rc = keeper_tell(r->keeper_fd, cfg->name, err);
	return rc;
}

/* Runs the VM to its end; returns the exit status. */
static int run_vm(struct runner *r, struct config *cfg)
{
	struct error err = { "" };
	struct control *control;
	int rc;

	rc = build_vm(r, cfg, &control, &err);
	if (rc) {
		terminal_restore();
		print_error(&err);
		return STATUS_ERROR;
	}
	rc = control_serve(control, &r->vm, &err);
	if (!rc)
		rc = setup_signals(r, &err);
	if (!rc)
		rc = before_lock_in(r, &err);
	if (!rc)
		rc = vm_run(&r->vm, &err);
	gdb_server_free(r->gdb);
	control_close(control);
	if (r->signals.added) {
		loop_fd_del(r->vm.loop, &r->signals);
		close(r->signals.fd);
	}
	vm_destroy(&r->vm); /* the terminal is itself again */
	if (*r->not_ready.text) {
		print_error(&r->not_ready);
		return STATUS_ERROR;
	}
	return run_status(r, rc, &err);
}

static int cmd_run(int argc, char **argv)
{
	/* Most of it is bus slots, never used: nothing has to clear them. */
	static struct runner runner;
	struct runner *r = &runner;
	struct error err = { "" };
	struct config cfg = { 0 };
	int status, rc;

	rc = options_parse(&cfg, argc, argv, &err);
	if (rc) {
		if (rc < 0)
			print_error(&err);
		config_free(&cfg);
		return rc < 0 ? STATUS_USAGE : STATUS_OFF;
	}
	log_level = level_named(cfg.log);

	rc = cfg.detach ? detach_fork(&r->detach, &status, &err) : 0;
	if (rc > 0 && !status)
		puts(r->detach.name);
	if (!rc && cfg.sandbox == SANDBOX_STRICT)
		rc = keeper_fork(&cfg, &r->keeper_fd, &status, &err);
	if (!rc)
		status = run_vm(r, &cfg);
	if (rc < 0) {
		print_error(&err);
		status = STATUS_ERROR;
	}
	config_free(&cfg);
	return status;
}

/* What vireo snapshot has kept: as run, with two options more. */
static int cmd_restore(int argc, char **argv)
{
	bool lazy = argc > 1 && !strcmp(argv[1], "--lazy");
	char *config = NULL, *from = NULL, **args;
	int status = STATUS_ERROR;

	if (!argc || *argv[0] == '-') {
		puts("Usage: vireo restore DIR [--lazy] [OPTION of run...]");
		return argc ? STATUS_OFF : STATUS_USAGE;
	}
	args = calloc((size_t)argc + 4, sizeof(*args));
	if (args && asprintf(&config, "%s/config.json", argv[0]) >= 0 &&
	    asprintf(&from, "dir=%s%s", argv[0], lazy ? ",lazy" : "") >= 0) {
		args[0] = "--config";
		args[1] = config;
		args[2] = "--restore";
		args[3] = from;
		memcpy(args + 4, argv + 1 + lazy,
		       (size_t)(argc - 1 - lazy) * sizeof(*args));
		status = cmd_run(argc + 3 - lazy, args);
	}
	free(config);
	free(from);
	free(args);
	return status;
}

static int cmd_help(int argc, char **argv);

static int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("vireo " VIREO_VERSION);
	return STATUS_OFF;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", cmd_run, "run a virtual machine (vireo run --help)" },
	{ "restore", cmd_restore, "go on with what vireo snapshot has kept" },
	{ "version", cmd_version, "print the version" },
	{ "help", cmd_help, "print this help" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int cmd_help(int argc, char **argv)
{
	const struct cli_command *c;
	size_t i;

	(void)argc;
	(void)argv;
	puts("Usage: vireo COMMAND [OPTION...]\n\nCommands:");
	printf("  %-9s %s\n", commands[0].name, commands[0].help);
	for (c = cli_commands; c->name; c++)
		printf("  %-9s %s\n", c->name, c->help);
	for (i = 1; i < NR_COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	puts("\nvireo(1) has it all.");
	return STATUS_OFF;
}

/* One that drives a machine that runs already. */
static int run_client(const struct cli_command *c, int argc, char **argv)
{
	struct error err = { "" };
	int status = cli_run(c, argc, argv, &err);

	if (status)
		print_error(&err);
	/* What could not be written has not been told. */
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_OFF) {
		fprintf(stderr, "vireo: cannot write: %s\n", strerror(errno));
		return STATUS_ERROR;
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct cli_command *c;
	const char *name = argc > 1 ? argv[1] : "";
	size_t i;

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	for (c = cli_commands; c->name; c++)
		if (!strcmp(name, c->name))
			return run_client(c, argc - 2, argv + 2);
	if (*name)
		fprintf(stderr, "vireo: '%s' is not a command", name);
	else
		fprintf(stderr, "vireo: no command given");
	fprintf(stderr, " (see vireo help)\n");
	return STATUS_USAGE;
}

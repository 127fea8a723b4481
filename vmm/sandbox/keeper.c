// SPDX-License-Identifier: GPL-2.0-or-later
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../config.h"
#include "../control/rundir.h"
#include "../control/socket.h"
#include "../error.h"
#include "../status.h"
#include "parts.h"

/* ---- what the machine leaves ------------------------------------------------ */

static void remove_socket(const char *target)
{
	if (target && !strncmp(target, "unix:", 5))
		socket_remove_stale(target + 5, NULL);
}

static void remove_named(const char *name, const char *kind)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];

	if (!rundir_open(dir, false, NULL) &&
	    !rundir_file(path, dir, name, kind, NULL))
		socket_remove_stale(path, NULL);
}

/* One that somebody listens on, or that is none, stays. */
static void remove_sockets(const struct config *cfg, const char *name)
{
	unsigned int i;

	if (strcmp(cfg->control, "off") != 0)
		remove_named(name, "qmp");
	if (!strcmp(cfg->console, "socket") ||
	    (cfg->vcon.target && !strcmp(cfg->vcon.target, "socket")))
		remove_named(name, "console");
	remove_socket(cfg->console);
	remove_socket(cfg->vcon.target);
	remove_socket(cfg->gdb.target);
	for (i = 0; i < cfg->nr_qmp; i++)
		if (cfg->qmp[i].server)
			remove_socket(cfg->qmp[i].target);
	for (i = 0; i < cfg->nr_nets; i++)
		if (cfg->nets[i].kind == NET_LINK)
			socket_remove_stale(cfg->nets[i].path, NULL);
}

/* ---- the keeper --------------------------------------------------------------- */

static void pass_on(pid_t machine, int sig)
{
	if (sig != SIGTSTP) {
		kill(machine, sig);
		return;
	}
	kill(machine, SIGSTOP);
	raise(SIGSTOP);
}

/* Its wait status. */
static int wait_end(pid_t machine, const sigset_t *signals)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(signals, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD)
			pass_on(machine, info.si_signo);
		else if (waitpid(machine, &status, WNOHANG) == machine)
			return status;
	}
}

/* Returns the machine's wait status. */
static int keep(const struct config *cfg, pid_t machine, int name_fd,
		const sigset_t *signals)
{
	char name[RUNDIR_NAME_MAX] = "";
	int ended = wait_end(machine, signals);

	/* So short that it came whole, before the machine was locked in. */
	if (read(name_fd, name, sizeof(name) - 1) > 0)
		remove_sockets(cfg, name);
	return ended;
}

/* One whose signals were all blocked could not say so itself. */
static void tell_refused(int ended)
{
	if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGSYS)
		fprintf(stderr, "vireo: a system call was refused; the host's "
				"audit log has which: see --sandbox in "
				"vireo(1)\n");
}

/* A machine that was killed could not do that itself. */
static void restore(const struct termios *mode)
{
	signal(SIGTTOU, SIG_IGN); /* even from the background */
	tcsetattr(STDIN_FILENO, TCSANOW, mode);
}

/* So that nobody who waits for the end of its streams waits for us. */
static void close_streams(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int keeper_fork(const struct config *cfg, int *tell_fd, int *status,
		struct error *err)
{
	static const int passed[] = { SIGTERM, SIGINT,	SIGHUP,
				      SIGCONT, SIGTSTP, SIGCHLD };
	bool terminal;
	struct termios mode;
	sigset_t signals, old;
	int fds[2], ended, rc;
	size_t i;
	pid_t pid;

	rc = namespaces_new_processes(err);
	if (rc)
		return rc;
	if (pipe2(fds, O_CLOEXEC))
		return error_sys(err, errno, "cannot make a pipe");
	sigemptyset(&signals);
	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&signals, passed[i]);
	sigprocmask(SIG_BLOCK, &signals, &old);
	terminal = !tcgetattr(STDIN_FILENO, &mode);
	pid = fork();
	if (pid < 0) {
		rc = error_sys(err, errno, "cannot make a process");
		close(fds[0]);
		close(fds[1]);
		sigprocmask(SIG_SETMASK, &old, NULL);
		return rc;
	}
	if (!pid) {
		/* A keeper that was killed before cannot be told of a name. */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		setsid();
		sigprocmask(SIG_SETMASK, &old, NULL);
		close(fds[0]);
		*tell_fd = fds[1];
		return 0;
	}
	close(fds[1]);
	if (cfg->detach)
		close_streams();
	ended = keep(cfg, pid, fds[0], &signals);
	close(fds[0]);
	if (terminal && WIFSIGNALED(ended))
		restore(&mode);
	tell_refused(ended);
	*status = WIFSIGNALED(ended) ? STATUS_SIGNAL + WTERMSIG(ended) :
				       WEXITSTATUS(ended);
	return 1;
}

int keeper_tell(int fd, const char *name, struct error *err)
{
	int rc = 0;

	if (write(fd, name, strlen(name)) < 0)
		rc = error_sys(err, errno, "the keeper of the machine is gone");
	close(fd);
	return rc;
}

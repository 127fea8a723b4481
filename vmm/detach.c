// SPDX-License-Identifier: GPL-2.0-or-later
#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "status.h"

/*
 * The parent: 0 or the exit status that the child had.  A name is so short that
 * it comes whole.
 */
static int wait_ready(struct detach *d, int fd, pid_t child)
{
	int status;
	ssize_t n;

	do
		n = read(fd, d->name, sizeof(d->name) - 1);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return STATUS_OFF;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_ERROR;
	if (WIFSIGNALED(status))
		return STATUS_SIGNAL + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static int close_streams(struct error *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "cannot open /dev/null");
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return error_sys(err, errno, "cannot use /dev/null");
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int detach_fork(struct detach *d, int *status, struct error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return error_sys(err, errno, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return error_sys(err, errno, "cannot make a process");
	}
	if (pid) {
		close(fds[1]);
		*status = wait_ready(d, fds[0], pid);
		close(fds[0]);
		return 1;
	}
	close(fds[0]);
	d->ready_fd = fds[1];
	setsid();
	return close_streams(err);
}

int detach_open_log(struct detach *d, const char *name, struct error *err)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	int rc;

	rc = rundir_open(dir, true, err);
	if (!rc)
		rc = rundir_file(path, dir, name, "log", err);
	if (rc)
		return rc;
	d->log_fd = open(path,
			 O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW |
				 O_CLOEXEC,
			 0600);
	if (d->log_fd < 0)
		return error_sys(err, errno, "cannot open log %s", path);
	return 0;
}

int detach_ready(struct detach *d, const char *name, struct error *err)
{
	int rc = 0;

	if (dup2(d->log_fd, STDERR_FILENO) < 0)
		rc = error_sys(err, errno, "cannot use the log");
	else if (write(d->ready_fd, name, strlen(name)) < 0)
		rc = error_sys(err, errno, "nobody waits for the machine");
	close(d->log_fd);
	close(d->ready_fd);
	d->ready_fd = -1;
	return rc;
}

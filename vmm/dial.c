// SPDX-License-Identifier: GPL-2.0-or-later
#include "dial.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"

#define AGAIN_MS 1000

/* ---- the process ---------------------------------------------------------------- */

/* False when the machine is gone. */
static bool give(int to, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .room = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL) == 1;
}

/* False when the machine is gone. */
static bool connect_to(int machine, const struct sockaddr_un *sa)
{
	struct pollfd pfd = { .fd = machine, .events = POLLRDHUP };
	bool there;
	int fd;

	/* First of all it waits: who comes and goes at once is no hurry. */
	while (!poll(&pfd, 1, AGAIN_MS)) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0);
		if (fd >= 0 &&
		    !connect(fd, (const struct sockaddr *)sa, sizeof(*sa))) {
			there = give(machine, fd);
			close(fd);
			return there;
		}
		if (fd >= 0)
			close(fd);
	}
	return false;
}

static void serve(int fd, const struct sockaddr_un *sa)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;
	char byte;
	int s;

	/* Nothing of the machine's but this. */
	if (dup2(fd, 3) < 0 || close_range(4, ~0U, 0))
		return;
	/* A terminal's signals are not its, and no handler of ours is. */
	setsid();
	for (s = 1; s < NSIG; s++)
		sigaction(s, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "vireo-dial", 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Who reads what the machine prints reads to its end. */
	close(0);
	close(1);
	close(2);
	while (read(3, &byte, 1) == 1 && connect_to(3, sa))
		;
}

/* ---- the machine ------------------------------------------------------------------- */

int dial_new(struct dial *dial, const char *path, struct error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fds[2], status;
	pid_t pid;

	*dial = (struct dial){ .fd = -1 };
	if (strlen(path) >= sizeof(sa.sun_path))
		return error_set(err, ENAMETOOLONG, "path %s is too long",
				 path);
	strcpy(sa.sun_path, path);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return error_sys(err, errno, "cannot make a socket");
	pid = fork();
	if (!pid) {
		/* Nobody waits for its end. */
		if (!fork())
			serve(fds[1], &sa);
		_exit(0);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error_sys(err, errno, "cannot make a process");
	}
	waitpid(pid, &status, 0);
	dial->fd = fds[0];
	return 0;
}

void dial_close(struct dial *dial)
{
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
}

void dial_ask(struct dial *dial)
{
	char byte = 0;

	if (dial->fd < 0 || dial->asked)
		return;
	dial->asked = write(dial->fd, &byte, 1) == 1;
}

int dial_take(struct dial *dial)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	if (dial->fd < 0)
		return -ENOTCONN;
	n = recvmsg(dial->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	c = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -ENOTCONN;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	dial->asked = false;
	return fd;
}

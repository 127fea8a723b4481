// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starts vireo-slirp, a process of its own: it holds the host's sockets while
 * this one has none, and libslirp, which reads what the guest sends, is not in
 * the machine.  It ends when its stream does.
 *
 * Its first frame is no frame: "ok", or why it cannot do what it was told.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define HELPER "vireo-slirp"
#define HELPER_FD 3
#define HELLO_MAX 256
#define HELLO_MS 20000

static int spawn(int fd, char *const argv[], const char *path, bool search)
{
	extern char **environ;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	/* As of a service: no terminal's signals, nobody waits for its end. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_adddup2(&files, fd, HELPER_FD);
	posix_spawn_file_actions_addclosefrom_np(&files, HELPER_FD + 1);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, 0, 1);
	posix_spawn_file_actions_adddup2(&files, 0, 2);
	rc = search ? posix_spawnp(&pid, path, &files, &attr, argv, environ) :
		      posix_spawn(&pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

/* The one beside this program, or else the installed one. */
static int start(int fd, const struct net_config *cfg, struct error *err)
{
	char *argv[10], path[PATH_MAX], *slash;
	unsigned int n = 0;
	ssize_t len;
	int rc;

	argv[n++] = (char *)(uintptr_t)HELPER;
	if (cfg->subnet) {
		argv[n++] = (char *)(uintptr_t) "--subnet";
		argv[n++] = cfg->subnet;
	}
	if (cfg->hostfwd) {
		argv[n++] = (char *)(uintptr_t) "--hostfwd";
		argv[n++] = cfg->hostfwd;
	}
	if (cfg->isolated)
		argv[n++] = (char *)(uintptr_t) "--isolated";
	argv[n] = NULL;

	len = readlink("/proc/self/exe", path,
		       sizeof(path) - sizeof("/" HELPER));
	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, HELPER);
		rc = spawn(fd, argv, path, false);
		if (rc != -ENOENT)
			return rc ? error_sys(err, -rc, "cannot run %s", path) :
				    0;
	}
	rc = spawn(fd, argv, HELPER, true);
	if (rc == -ENOENT)
		return error_set(err, ENOENT,
				 "user needs the program " HELPER
				 " beside this one or in PATH");
	return rc ? error_sys(err, -rc, "cannot run " HELPER) : 0;
}

static int get(int fd, void *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		if (poll(&pfd, 1, HELLO_MS) != 1)
			return -ETIMEDOUT;
		n = read(fd, (char *)buf + at, len - at);
		if (n <= 0)
			return -EPIPE;
		at += (size_t)n;
	}
	return 0;
}

static int hear(int fd, struct error *err)
{
	char text[HELLO_MAX];
	uint32_t len;
	int rc;

	rc = get(fd, &len, sizeof(len));
	len = rc ? 0 : be32toh(len);
	if (len >= sizeof(text))
		rc = -EPROTO;
	if (!rc)
		rc = get(fd, text, len);
	if (rc)
		return error_sys(err, -rc, HELPER " does not start");
	text[len] = '\0';
	return strcmp(text, "ok") ? error_set(err, EINVAL, "%s", text) : 0;
}

int user_open(struct net_backend **backend, const struct net_config *cfg,
	      struct error *err)
{
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return error_sys(err, errno, "cannot make a socket");
	rc = start(fds[1], cfg, err);
	close(fds[1]);
	if (!rc)
		rc = hear(fds[0], err);
	if (!rc)
		rc = stream_adopt(backend, fds[0], err);
	if (rc)
		close(fds[0]);
	return rc;
}

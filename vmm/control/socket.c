// SPDX-License-Identifier: GPL-2.0-or-later
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000

static int address(struct sockaddr_un *sa, const char *path, struct error *err)
{
	size_t len = strlen(path);

	if (!len || len >= sizeof(sa->sun_path))
		return error_set(err, ENAMETOOLONG,
				 "%.128s: a socket's path has 1 to %zu bytes",
				 path, sizeof(sa->sun_path) - 1);
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	memcpy(sa->sun_path, path, len + 1);
	return 0;
}

/*
 * Looking whether a socket is stale and replacing it is one step to all who do
 * it: they lock the directory.  One like /tmp anybody may lock for ever, so
 * there is an end to waiting.
 */
static int lock(int dir_fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	unsigned int i;

	for (i = 0; flock(dir_fd, LOCK_EX | LOCK_NB); i++) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || i == LOCK_TRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Returns a descriptor, which holds the lock. */
static int lock_directory(const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char dir[RUNDIR_PATH_MAX] = ".";
	int fd, rc;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "cannot open directory %s", dir);
	rc = lock(fd);
	if (rc) {
		close(fd);
		return error_sys(err, -rc, "cannot lock directory %s", dir);
	}
	return fd;
}

static int new_socket(int flags, struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? error_sys(err, errno, "cannot make a socket") : fd;
}

/* Directory locked. */
static int remove_stale(const struct sockaddr_un *sa, struct error *err)
{
	const char *path = sa->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		return error_sys(err, errno, "cannot use %s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s is there and not a socket",
				 path);
	fd = new_socket(SOCK_NONBLOCK, err);
	if (fd < 0)
		return fd;
	rc = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ? errno : 0;
	close(fd);
	/* EAGAIN: so many wait to be accepted that somebody must be there. */
	if (!rc || rc == EAGAIN)
		return error_set(err, EADDRINUSE,
				 "%s is in use by another process", path);
	if (rc != ECONNREFUSED)
		return error_sys(err, rc, "cannot use %s", path);
	if (unlink(path) && errno != ENOENT)
		return error_sys(err, errno, "cannot remove stale socket %s",
				 path);
	return 0;
}

int socket_remove_stale(const char *path, struct error *err)
{
	struct sockaddr_un sa;
	int dir_fd, rc;

	rc = address(&sa, path, err);
	if (rc)
		return rc;
	dir_fd = lock_directory(path, err);
	if (dir_fd < 0)
		return dir_fd;
	rc = remove_stale(&sa, err);
	close(dir_fd);
	return rc;
}

/* Directory locked. */
static int bind_here(struct listener *l, const struct sockaddr_un *sa,
		     struct error *err)
{
	struct stat st;
	int rc;

	l->fd = new_socket(SOCK_NONBLOCK, err);
	if (l->fd < 0)
		return l->fd;
	/* The mode of the file is that of the socket, less the umask. */
	if (fchmod(l->fd, 0600) ||
	    bind(l->fd, (const struct sockaddr *)sa, sizeof(*sa))) {
		rc = error_sys(err, errno, "cannot make socket %s",
			       sa->sun_path);
		goto err_close;
	}
	if (lstat(sa->sun_path, &st) || listen(l->fd, SOMAXCONN)) {
		rc = error_sys(err, errno, "cannot listen on %s", sa->sun_path);
		goto err_unlink;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	snprintf(l->path, sizeof(l->path), "%s", sa->sun_path);
	return 0;

err_unlink:
	unlink(sa->sun_path);
err_close:
	close(l->fd);
	l->fd = -1;
	return rc;
}

int socket_listen(struct listener *l, const char *path, struct error *err)
{
	struct sockaddr_un sa;
	int rc;

	l->fd = -1;
	rc = address(&sa, path, err);
	if (rc)
		return rc;
	l->dir_fd = lock_directory(path, err);
	if (l->dir_fd < 0)
		return l->dir_fd;
	rc = remove_stale(&sa, err);
	if (!rc)
		rc = bind_here(l, &sa, err);
	if (rc)
		close(l->dir_fd);
	else
		flock(l->dir_fd, LOCK_UN);
	return rc;
}

void socket_unlisten(struct listener *l)
{
	const char *slash = strrchr(l->path, '/');
	const char *name = slash ? slash + 1 : l->path;
	struct stat st;

	if (l->fd < 0)
		return;
	/* Best with the lock, but also without. */
	lock(l->dir_fd);
	if (!fstatat(l->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_dev == l->dev && st.st_ino == l->ino)
		unlinkat(l->dir_fd, name, 0);
	close(l->fd);
	l->fd = -1;
	close(l->dir_fd);
}

int socket_connect(const char *path, struct error *err)
{
	struct sockaddr_un sa;
	int fd, rc;

	rc = address(&sa, path, err);
	if (rc)
		return rc;
	fd = new_socket(0, err);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		rc = error_sys(err, errno, "cannot connect to %s", path);
		close(fd);
		return rc;
	}
	return fd;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNIX sockets with a path.  A socket whose listener is gone (its process was
 * killed) is recognised and replaced; one that somebody listens on, and a file
 * that is no socket, never is.
 */
#ifndef VIREO_CONTROL_SOCKET_H
#define VIREO_CONTROL_SOCKET_H

#include <sys/types.h>

#include "rundir.h"

struct error;

struct listener {
	int fd;	    /* owns; non-blocking */
	int dir_fd; /* owns; where the file is */
	char path[RUNDIR_PATH_MAX];
	dev_t dev; /* of the file, which lives as long as fd: is it ours? */
	ino_t ino;
};

/*
 * A stream socket at @path that only the user can connect to.  -EADDRINUSE:
 * somebody else listens there; -EEXIST: that is no socket.
 */
int socket_listen(struct listener *l, const char *path, struct error *err);
/*
 * Removes the file, too, unless it has become somebody else's.  Opens nothing:
 * a machine that is locked in (sandbox.h) can do this.
 */
void socket_unlisten(struct listener *l);

/*
 * The descriptor of a stream socket that is connected to @path, or -errno.
 * -ECONNREFUSED: nobody listens, the socket is stale.
 */
int socket_connect(const char *path, struct error *err);

/*
 * Removes the stale socket at @path; 0 if there is none (any more),
 * -EADDRINUSE if it is not stale, -EEXIST if it is no socket.
 */
int socket_remove_stale(const char *path, struct error *err);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../control/socket.h"
#include "../error.h"
#include "../log.h"

static void look_for(struct vhost_peer *peer)
{
	dial_ask(&peer->dial);
	if (peer->dial.fd < 0 || loop_fd_add(peer->loop, &peer->dialled))
		log_error(peer->id, "nobody can be found at its socket again");
}

/*
 * What comes unasked for is not heard until something is asked: only the end
 * is.
 */
static void on_end(void *opaque, uint32_t events)
{
	struct vhost_peer *peer = opaque;

	(void)events;
	loop_fd_del(peer->loop, &peer->watch);
	vhost_user_gone(peer->vh);
	log_warn(peer->id, "its backend has gone");
	peer->changed(peer->opaque, false);
	look_for(peer);
}

static int watch(struct vhost_peer *peer)
{
	peer->watch = (struct loop_fd){ .fd = peer->vh->fd,
					.events = EPOLLRDHUP,
					.fn = on_end,
					.opaque = peer };
	return loop_fd_add(peer->loop, &peer->watch);
}

/* Who dials makes it non-blocking, for connecting. */
static int greet(struct vhost_peer *peer, int fd, struct error *err)
{
	int rc;

	if (fcntl(fd, F_SETFL, O_RDWR))
		rc = error_sys(err, errno, "cannot use a socket");
	else
		rc = vhost_user_greet(peer->vh, fd, peer->wanted, err);
	if (rc)
		close(fd);
	return rc;
}

static void on_dialled(void *opaque, uint32_t events)
{
	struct vhost_peer *peer = opaque;
	struct error err = { "" };
	int fd = dial_take(&peer->dial), rc;

	(void)events;
	if (fd == -EAGAIN)
		return;
	loop_fd_del(peer->loop, &peer->dialled);
	if (fd < 0) {
		log_error(peer->id, "nobody looks for its backend any more");
		return;
	}
	rc = greet(peer, fd, &err);
	if (!rc && watch(peer)) {
		vhost_user_gone(peer->vh);
		rc = error_set(&err, ENOSPC, "it cannot be watched");
	}
	if (rc) {
		log_guest(&peer->limit, peer->id, "no backend: %s", err.text);
		look_for(peer);
		return;
	}
	log_warn(peer->id, "its backend is back");
	peer->changed(peer->opaque, true);
}

int vhost_peer_open(struct vhost_peer *peer, const char *path,
		    struct error *err)
{
	int fd, rc;

	peer->dial.fd = -1;
	fd = socket_connect(path, err);
	if (fd < 0)
		return fd;
	rc = greet(peer, fd, err);
	if (rc)
		return rc;
	rc = dial_new(&peer->dial, path, err);
	if (!rc && watch(peer)) {
		dial_close(&peer->dial);
		rc = error_set(err, ENOSPC, "%s cannot be watched", path);
	}
	if (rc) {
		vhost_user_gone(peer->vh);
		return rc;
	}
	peer->wanted = peer->vh->features;
	peer->dialled = (struct loop_fd){ .fd = peer->dial.fd,
					  .events = EPOLLIN,
					  .fn = on_dialled,
					  .opaque = peer };
	return 0;
}

void vhost_peer_close(struct vhost_peer *peer)
{
	loop_fd_del(peer->loop, &peer->watch);
	loop_fd_del(peer->loop, &peer->dialled);
	dial_close(&peer->dial);
	vhost_user_gone(peer->vh);
}

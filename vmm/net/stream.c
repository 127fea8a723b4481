// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a stream: before each its length, 4 bytes, the first the most
 * significant, as QEMU's -netdev stream and passt(1) have it.
 *
 * Who listens waits for one peer after the other; who has connected has the path
 * dialled again when its peer is gone.
 *
 *   port.fd   the peer's descriptor; or, while there is none, the listener's or
 *             the dialler's
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../control/socket.h"
#include "../dial.h"
#include "../error.h"
#include "net.h"

#define LEN 4
#define IN_SIZE (LEN + NET_FRAME_MAX)

struct stream {
	struct net_backend base;
	struct listener listener; /* fd -1: it has connected, */
	struct dial dial;	  /* by a path; fd -1: or else was given */
	int peer;		  /* -1: none was there yet */
	size_t in_at, in_len;	  /* what has come and was not taken */
	size_t out_at, out_len;	  /* what has to go before the next frame */
	uint8_t in[IN_SIZE];
	uint8_t out[LEN + NET_FRAME_MAX];
};

static struct stream *stream_of(struct net_port *port)
{
	return (struct stream *)port->backend;
}

/*
 * Its descriptor is watched at this moment, and so stays open until the next
 * peer comes.
 */
static int lose(struct net_port *port)
{
	struct stream *s = stream_of(port);

	port->up = false;
	port->fd = s->listener.fd < 0 ? s->dial.fd : s->listener.fd;
	dial_ask(&s->dial);
	s->in_at = s->in_len = 0;
	s->out_at = s->out_len = 0;
	port->unsent = false;
	return -ENOTCONN;
}

static int welcome(struct net_port *port)
{
	struct stream *s = stream_of(port);
	int fd;

	if (s->listener.fd >= 0)
		fd = accept4(s->listener.fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
	else
		fd = dial_take(&s->dial);
	if (fd == -ENOTCONN)
		port->fd = -1; /* nobody dials any more */
	if (fd < 0)
		return s->listener.fd < 0 ? fd : -EAGAIN;
	if (s->peer >= 0)
		close(s->peer);
	s->peer = fd;
	port->fd = fd;
	port->up = true;
	return 0;
}

/* The whole frame at the start of the input, of *len bytes. */
static bool has_frame(struct stream *s, size_t *len)
{
	uint32_t head;

	if (s->in_len < LEN)
		return false;
	memcpy(&head, s->in + s->in_at, LEN);
	*len = be32toh(head);
	return *len > NET_FRAME_MAX || s->in_len - LEN >= *len;
}

static int fill(struct net_port *port)
{
	struct stream *s = stream_of(port);
	ssize_t n;

	memmove(s->in, s->in + s->in_at, s->in_len);
	s->in_at = 0;
	n = read(port->fd, s->in + s->in_len, IN_SIZE - s->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return lose(port);
	s->in_len += (size_t)n;
	return 0;
}

static ssize_t stream_recv(struct net_port *port, struct net_packet *packet)
{
	struct stream *s = stream_of(port);
	size_t n = 0;
	int rc;

	if (!port->up) {
		rc = welcome(port);
		if (rc)
			return rc;
	}
	if (!has_frame(s, &n)) {
		rc = fill(port);
		if (rc)
			return rc;
		if (!has_frame(s, &n))
			return -EAGAIN;
	}
	/* Where it went wrong nothing after it can be made out. */
	if (n > NET_FRAME_MAX)
		return lose(port);
	memset(&packet->hdr, 0, sizeof(packet->hdr));
	memcpy(packet->frame, s->in + s->in_at + LEN, n);
	s->in_at += LEN + n;
	s->in_len -= LEN + n;
	return (ssize_t)n;
}

/* Whether nothing is left of the frame before. */
static int flush(struct net_port *port)
{
	struct stream *s = stream_of(port);
	ssize_t n;

	while (s->out_len) {
		n = write(port->fd, s->out + s->out_at, s->out_len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return -EAGAIN;
		if (n <= 0)
			return lose(port);
		s->out_at += (size_t)n;
		s->out_len -= (size_t)n;
	}
	port->unsent = false;
	return 0;
}

/* What did not go: all of @iov after the first @done bytes. */
static void keep(struct stream *s, const struct iovec *iov, unsigned int nr,
		 size_t done)
{
	size_t n;

	s->out_at = 0;
	for (; nr; nr--, iov++) {
		if (done >= iov->iov_len) {
			done -= iov->iov_len;
			continue;
		}
		n = iov->iov_len - done;
		memcpy(s->out + s->out_len, (char *)iov->iov_base + done, n);
		s->out_len += n;
		done = 0;
	}
}

static int stream_send(struct net_port *port,
		       const struct virtio_net_hdr_v1 *hdr, struct iovec *iov,
		       unsigned int nr)
{
	struct stream *s = stream_of(port);
	size_t len = 0;
	unsigned int i;
	uint32_t head;
	ssize_t n;
	int rc;

	(void)hdr; /* nothing was offered that it could ask for */
	if (!port->up)
		return -ENOTCONN;
	rc = flush(port);
	if (rc || !nr)
		return rc;
	for (i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (len > NET_FRAME_MAX)
		return -EMSGSIZE;
	head = htobe32((uint32_t)len);
	iov[-1] = (struct iovec){ &head, LEN };
	n = writev(port->fd, iov - 1, (int)nr + 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0)
		return lose(port);
	if ((size_t)n < LEN + len) {
		keep(s, iov - 1, nr + 1, (size_t)n);
		port->unsent = true;
	}
	return 0;
}

static void stream_close(struct net_backend *backend)
{
	struct stream *s = (struct stream *)backend;

	if (s->peer >= 0)
		close(s->peer);
	if (s->listener.fd >= 0)
		socket_unlisten(&s->listener);
	dial_close(&s->dial);
}

static const struct net_ops stream_ops = {
	.recv = stream_recv,
	.send = stream_send,
	.close = stream_close,
};

int stream_adopt(struct net_backend **backend, int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL), rc;
	struct net_backend *base;
	struct stream *s;

	if (fd >= 0 && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)))
		return error_sys(err, errno, "cannot use a socket");
	rc = net_new(&base, sizeof(*s), &stream_ops, 1, err);
	if (rc)
		return rc;
	s = (struct stream *)base;
	s->listener.fd = -1;
	s->dial.fd = -1;
	s->peer = fd;
	base->ports->fd = fd;
	base->ports->up = fd >= 0;
	*backend = base;
	return 0;
}

/* As who comes first cannot know it, both ends of a link are told the same. */
int stream_open(struct net_backend **backend, const struct net_config *cfg,
		bool listen, struct error *err)
{
	struct net_backend *base;
	struct stream *s;
	int fd, rc;

	fd = socket_connect(cfg->path, err);
	if (fd < 0 && (!listen || (fd != -ENOENT && fd != -ECONNREFUSED)))
		return fd;
	rc = stream_adopt(&base, fd < 0 ? -1 : fd, err);
	if (rc) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	s = (struct stream *)base;
	if (fd >= 0) {
		rc = dial_new(&s->dial, cfg->path, err);
		if (rc) {
			net_close(base);
			return rc;
		}
	} else {
		rc = socket_listen(&s->listener, cfg->path, err);
		if (rc) {
			s->listener.fd = -1;
			net_close(base);
			return rc;
		}
		base->ports->fd = s->listener.fd;
	}
	*backend = base;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariants:
 *   - ring[] holds the last bytes of all that was ever printed: byte number n
 *     at n % CHARDEV_SCROLLBACK, for end - CHARDEV_SCROLLBACK <= n < end.
 *   - A client's pos is the number of the byte that it gets next.  While it is
 *     not end, the client's descriptor is watched for room.
 *   - Input is watched for only while there is room for it.  A connection that
 *     is gone reports that without end, so it is closed at once.
 */
#include "chardev_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/socket.h"
#include "error.h"
#include "log.h"
#include "loop.h"

#define ACCEPT_PAUSE_NS 1000000000ULL
#define INPUT_STEP 512

struct client {
	struct chardev_socket *s; /* NULL: nobody */
	struct loop_fd watch;	  /* owns fd */
	uint64_t pos;
	uint64_t lost; /* bytes of which it has not been told */
	bool ended;    /* it types no more, but may look */
};

struct chardev_socket {
	struct loop *loop;
	struct chardev_socket_user user;
	struct listener listener;
	struct loop_fd watch;
	struct loop_timer pause; /* until we try to accept again */
	struct client clients[CHARDEV_SOCKET_CLIENTS];
	bool room; /* for input */
	uint64_t end;
	uint8_t ring[CHARDEV_SCROLLBACK]; /* touched lazily */
};

static void drop(struct client *c)
{
	loop_fd_del(c->s->loop, &c->watch);
	close(c->watch.fd);
	c->s = NULL;
}

static void set_watch(struct client *c)
{
	uint32_t events = 0;

	if (c->s->room && !c->ended)
		events |= EPOLLIN;
	if (c->pos != c->s->end)
		events |= EPOLLOUT;
	loop_fd_set(c->s->loop, &c->watch, events);
}

/* Nothing taken is 0, a connection that is gone -errno. */
static ssize_t try_send(struct client *c, const void *buf, size_t len)
{
	ssize_t n = send(c->watch.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

/* A line to tell what is missing; so short a message goes whole or not. */
static ssize_t tell_lost(struct client *c)
{
	char text[64];
	ssize_t n;

	n = try_send(c, text,
		     (size_t)snprintf(text, sizeof(text),
				      "\r\n[%llu bytes are lost]\r\n",
				      (unsigned long long)c->lost));
	if (n > 0)
		c->lost = 0;
	return n;
}

/* Sends what the connection takes of what it has not had. */
static void push(struct client *c)
{
	const struct chardev_socket *s = c->s;
	size_t at, len;
	ssize_t n = 1;

	if (s->end - c->pos > CHARDEV_SCROLLBACK) {
		c->lost += s->end - CHARDEV_SCROLLBACK - c->pos;
		c->pos = s->end - CHARDEV_SCROLLBACK;
	}
	if (c->lost)
		n = tell_lost(c);
	while (n > 0 && c->pos != s->end) {
		at = c->pos % CHARDEV_SCROLLBACK;
		len = CHARDEV_SCROLLBACK - at;
		if (len > s->end - c->pos)
			len = s->end - c->pos;
		n = try_send(c, s->ring + at, len);
		if (n > 0)
			c->pos += (uint64_t)n;
	}
	if (n < 0)
		drop(c);
	else
		set_watch(c);
}

/* What it types: 1 if some came in, 0 if not, -1 if it is gone. */
static int take_input(struct client *c)
{
	struct chardev_socket *s = c->s;
	uint8_t buf[INPUT_STEP];
	size_t room = s->user.room(s->user.opaque);
	ssize_t n;

	s->room = room > 0;
	if (!room || c->ended)
		return 0;
	n = recv(c->watch.fd, buf, room < sizeof(buf) ? room : sizeof(buf),
		 MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!n) {
		c->ended = true;
		return 0;
	}
	s->user.input(s->user.opaque, buf, (size_t)n);
	return 1;
}

static void client_ready(void *opaque, uint32_t events)
{
	struct client *c = opaque;

	if (events & (EPOLLHUP | EPOLLERR)) {
		/* What it typed last may still be there. */
		while (take_input(c) > 0)
			;
		drop(c);
		return;
	}
	if ((events & EPOLLIN) && take_input(c) < 0)
		drop(c);
	else
		push(c);
}

/* Where to begin: with a whole line, if there is more than fits. */
static uint64_t first_byte(const struct chardev_socket *s)
{
	uint64_t pos;

	if (s->end <= CHARDEV_SCROLLBACK)
		return 0;
	for (pos = s->end - CHARDEV_SCROLLBACK; pos != s->end; pos++)
		if (s->ring[pos % CHARDEV_SCROLLBACK] == '\n')
			return pos + 1;
	return s->end - CHARDEV_SCROLLBACK;
}

static void welcome(struct chardev_socket *s, int fd)
{
	static const char full[] = "[too many are attached]\r\n";
	struct client *c = s->clients, *end = c + CHARDEV_SOCKET_CLIENTS;

	while (c != end && c->s)
		c++;
	if (c == end) {
		/* Nothing can be done if it does not hear of it. */
		(void)!send(fd, full, sizeof(full) - 1,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	*c = (struct client){
		.s = s,
		.watch = { .fd = fd, .fn = client_ready, .opaque = c },
		.pos = first_byte(s),
	};
	if (loop_fd_add(s->loop, &c->watch) < 0) {
		close(fd);
		c->s = NULL;
		return;
	}
	push(c);
}

static void accept_ready(void *opaque, uint32_t events)
{
	struct chardev_socket *s = opaque;
	int fd;

	(void)events;
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		welcome(s, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* No descriptors left: it would be ready without end. */
		log_warn("console", "cannot let anybody attach: %s",
			 strerror(errno));
		loop_fd_set(s->loop, &s->watch, 0);
		loop_timer_arm(s->loop, &s->pause,
			       loop_now() + ACCEPT_PAUSE_NS);
	}
}

static void accept_again(void *opaque)
{
	struct chardev_socket *s = opaque;

	loop_fd_set(s->loop, &s->watch, EPOLLIN);
}

void chardev_socket_print(struct chardev_socket *s, const uint8_t *buf,
			  size_t len)
{
	size_t i, at, part;

	/* Of more than fits, only the end would be seen. */
	while (len) {
		at = s->end % CHARDEV_SCROLLBACK;
		part = CHARDEV_SCROLLBACK - at;
		if (part > len)
			part = len;
		memcpy(s->ring + at, buf, part);
		s->end += part;
		buf += part;
		len -= part;
	}
	for (i = 0; i < CHARDEV_SOCKET_CLIENTS; i++)
		if (s->clients[i].s)
			push(&s->clients[i]);
}

void chardev_socket_poll_input(struct chardev_socket *s, bool room)
{
	size_t i;

	if (s->room == room)
		return;
	s->room = room;
	for (i = 0; i < CHARDEV_SOCKET_CLIENTS; i++)
		if (s->clients[i].s)
			set_watch(&s->clients[i]);
}

int chardev_socket_open(struct chardev_socket **out, struct loop *loop,
			const char *path,
			const struct chardev_socket_user *user,
			struct error *err)
{
	struct chardev_socket *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return error_sys(err, ENOMEM, "console");
	s->loop = loop;
	s->user = *user;
	s->pause = (struct loop_timer){ .fn = accept_again, .opaque = s };
	rc = socket_listen(&s->listener, path, err);
	if (rc)
		goto err_free;
	s->watch = (struct loop_fd){
		.fd = s->listener.fd,
		.events = EPOLLIN,
		.fn = accept_ready,
		.opaque = s,
	};
	rc = loop_fd_add(loop, &s->watch);
	if (rc) {
		error_sys(err, -rc, "cannot watch %s", path);
		goto err_unlisten;
	}
	*out = s;
	return 0;

err_unlisten:
	socket_unlisten(&s->listener);
err_free:
	free(s);
	return rc;
}

static void close_client(struct client *c, uint64_t end)
{
	struct pollfd p = { .fd = c->watch.fd, .events = POLLOUT };
	uint64_t now;

	while (c->s && c->pos != c->s->end && (now = loop_now()) < end) {
		if (poll(&p, 1, (int)((end - now) / 1000000)) <= 0)
			break;
		push(c);
	}
	if (c->s)
		drop(c);
}

void chardev_socket_close(struct chardev_socket *s, uint64_t limit_ns)
{
	uint64_t end = loop_now() + limit_ns;
	size_t i;

	loop_fd_del(s->loop, &s->watch);
	loop_timer_cancel(s->loop, &s->pause);
	for (i = 0; i < CHARDEV_SOCKET_CLIENTS; i++)
		if (s->clients[i].s)
			close_client(&s->clients[i], end);
	socket_unlisten(&s->listener);
	free(s);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../log.h"
#include "server.h"

#define READ_SIZE 16384
#define BUF_KEEP 65536

/* ---- descriptors that clients pass ----------------------------------------- */

int named_fd_add(struct named_fd **list, int fd, const char *name,
		 json_int_t set)
{
	struct named_fd *n, **end = list;
	unsigned int count = 0;

	for (; *end; end = &(*end)->next)
		count++;
	n = count < NAMED_FDS_MAX ? calloc(1, sizeof(*n)) : NULL;
	if (n && name)
		n->name = strdup(name);
	if (!n || (name && !n->name)) {
		free(n);
		close(fd);
		return -1;
	}
	n->fd = fd;
	n->set = set;
	*end = n;
	return 0;
}

void named_fd_del(struct named_fd **at)
{
	struct named_fd *n = *at;

	*at = n->next;
	close(n->fd);
	free(n->name);
	free(n);
}

static void keep_fds(struct client *c, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	size_t i, nr;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd),
			       sizeof(fd));
			if (c->nr_fds < CLIENT_FDS)
				c->fds[c->nr_fds++] = fd;
			else
				close(fd);
		}
	}
}

/* ---- its end ---------------------------------------------------------------- */

static void watch(struct client *c, struct loop_fd *lfd, bool on)
{
	struct loop *loop = c->session.control->vm->loop;

	if (lfd->added == on)
		return;
	if (!on)
		loop_fd_del(loop, lfd);
	else if (loop_fd_add(loop, lfd))
		log_warn("qmp", "%s: cannot be watched", c->label);
}

void client_close(struct client *c, const char *why)
{
	struct control *control = c->session.control;
	struct client **p;

	if (c->closed)
		return;
	c->closed = true;
	if (why)
		log_warn("qmp", "%s is disconnected: %s", c->label, why);
	for (p = &control->clients; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	control->nr_clients--;
	qmp_session_end(&c->session);
	watch(c, &c->in, false);
	watch(c, &c->out, false);
	loop_unpost(control->vm->loop, &c->work);
	close(c->in.fd);
	close(c->out.fd);
	/* The loop may have them in hand. */
	c->in.events = c->out.events = 0;
	c->next = control->dead;
	control->dead = c;
	loop_post(control->vm->loop, &control->bury);
}

void clients_bury(void *opaque)
{
	struct control *control = opaque;
	struct client *c;

	while ((c = control->dead)) {
		control->dead = c->next;
		while (c->queued)
			json_decref(c->queue[--c->queued].value);
		while (c->nr_fds)
			close(c->fds[--c->nr_fds]);
		while (c->named)
			named_fd_del(&c->named);
		free(c->to_send);
		free(c->buf);
		free(c);
	}
}

/* ---- sending ------------------------------------------------------------------ */

/* What is large is not kept for the seldom case that it is needed again. */
static void trim(char **buf, size_t *size)
{
	if (*size <= BUF_KEEP)
		return;
	free(*buf);
	*buf = NULL;
	*size = 0;
}

static bool make_room(char **buf, size_t *size, size_t need)
{
	size_t new_size = *size ? *size : 4096;
	char *p;

	while (new_size < need)
		new_size *= 2;
	if (new_size == *size)
		return true;
	p = realloc(*buf, new_size);
	if (!p)
		return false;
	*buf = p;
	*size = new_size;
	return true;
}

void client_flush(struct client *c)
{
	size_t done = 0;
	ssize_t n;

	while (!c->closed && done < c->to_send_len) {
		if (c->socket)
			n = send(c->out.fd, c->to_send + done,
				 c->to_send_len - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(c->out.fd, c->to_send + done,
				  c->to_send_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_close(c, NULL);
			return;
		}
		done += (size_t)n;
	}
	if (c->closed)
		return;
	c->to_send_len -= done;
	if (c->to_send_len)
		memmove(c->to_send, c->to_send + done, c->to_send_len);
	else
		trim(&c->to_send, &c->to_send_size);
	watch(c, &c->out, c->to_send_len);
	/* There may be room again for what it asks. */
	loop_post(c->session.control->vm->loop, &c->work);
}

void client_send(struct client *c, json_t *value)
{
	char *text = value ? json_dumps(value, 0) : NULL;
	size_t len = text ? strlen(text) : 0;

	if (c->closed)
		goto out;
	if (c->to_send_len > CLIENT_OUT_MAX) {
		client_close(c, "it does not read what it is sent");
	} else if (!text || !make_room(&c->to_send, &c->to_send_size,
				       c->to_send_len + len + 2)) {
		client_close(c, "out of memory");
	} else {
		memcpy(c->to_send + c->to_send_len, text, len);
		memcpy(c->to_send + c->to_send_len + len, "\r\n", 2);
		c->to_send_len += len + 2;
		/* Answers and events that come together leave together. */
		loop_post(c->session.control->vm->loop, &c->work);
	}
out:
	free(text);
}

static void send_answer(struct qmp_session *session, json_t *answer)
{
	client_send(to_client(session), answer);
}

static void on_writable(void *opaque, uint32_t events)
{
	(void)events;
	client_flush(opaque);
}

/* ---- receiving ------------------------------------------------------------------ */

static void enqueue(struct client *c, const struct qmp_request *req)
{
	if (qmp_is_urgent(&c->session, req)) {
		qmp_execute(&c->session, req);
		json_decref(req->value);
	} else {
		c->queue[c->queued++] = *req;
	}
}

/* After an error that leaves nothing to go on with. */
static void refuse(struct client *c, const char *fault)
{
	struct qmp_request req = { .value = NULL };

	error_set(&req.fault, 0, "%s", fault);
	qmp_execute(&c->session, &req);
	client_flush(c);
	client_close(c, fault);
}

/* After its last byte: what there is of a message is all there will be. */
static void parse_rest(struct client *c)
{
	struct qmp_request req;

	if (c->scan.state == MESSAGE_NONE)
		return;
	qmp_request_parse(&req, c->buf + c->buf_head + c->scan.start,
			  c->buf_len - c->buf_head - c->scan.start);
	c->buf_head = c->buf_len;
	message_restart(&c->scan);
	enqueue(c, &req);
}

/* Cuts messages off what came while there is a place for them. */
static void parse(struct client *c)
{
	struct qmp_request req;
	enum message_result result;

	while (!c->closed && c->queued < CLIENT_QUEUE) {
		result = message_next(&c->scan, c->buf + c->buf_head,
				      c->buf_len - c->buf_head);
		if (result == MESSAGE_MORE) {
			if (c->in_ended)
				parse_rest(c);
			break;
		}
		if (result == MESSAGE_TOO_BIG || result == MESSAGE_TOO_DEEP) {
			refuse(c, result == MESSAGE_TOO_BIG ?
					  "JSON token size limit exceeded" :
					  "JSON nesting depth limit exceeded");
			return;
		}
		/* What is broken, the parser has a word for. */
		qmp_request_parse(&req, c->buf + c->buf_head + c->scan.start,
				  c->scan.pos - c->scan.start);
		c->buf_head += c->scan.pos;
		message_restart(&c->scan);
		enqueue(c, &req);
	}
}

static bool wants_input(const struct client *c)
{
	return !c->in_ended && c->queued < CLIENT_QUEUE &&
	       c->to_send_len <= CLIENT_OUT_HIGH;
}

static ssize_t receive(struct client *c, char *buf, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(CLIENT_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	if (!c->socket)
		return read(c->in.fd, buf, size);
	n = recvmsg(c->in.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n >= 0)
		keep_fds(c, &msg);
	return n;
}

static void on_readable(void *opaque, uint32_t events)
{
	struct client *c = opaque;
	ssize_t n;

	(void)events;
	if (!wants_input(c)) {
		watch(c, &c->in, false);
		return;
	}
	c->buf_len -= c->buf_head;
	if (c->buf_len)
		memmove(c->buf, c->buf + c->buf_head, c->buf_len);
	c->buf_head = 0;
	if (!make_room(&c->buf, &c->buf_size, c->buf_len + READ_SIZE)) {
		client_close(c, "out of memory");
		return;
	}
	n = receive(c, c->buf + c->buf_len, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->buf_len += (size_t)n;
	else
		c->in_ended = true;
	loop_post(c->session.control->vm->loop, &c->work);
}

/* One command of the queue, and all that follows from the client's state. */
static void work(void *opaque)
{
	struct client *c = opaque;
	struct loop *loop = c->session.control->vm->loop;
	struct qmp_request req;

	parse(c);
	if (c->closed)
		return;
	if (c->queued && !c->session.busy &&
	    c->to_send_len <= CLIENT_OUT_HIGH) {
		req = c->queue[0];
		memmove(c->queue, c->queue + 1,
			--c->queued * sizeof(c->queue[0]));
		qmp_execute(&c->session, &req);
		json_decref(req.value);
		if (c->closed)
			return;
		loop_post(loop, &c->work);
	}
	if (c->to_send_len && !c->out.added)
		client_flush(c);
	if (c->closed)
		return;
	if (c->in_ended && !c->queued && !c->session.busy && !c->to_send_len) {
		client_close(c, NULL);
		return;
	}
	if (c->buf_head == c->buf_len) {
		c->buf_head = c->buf_len = 0;
		trim(&c->buf, &c->buf_size);
	}
	watch(c, &c->in, wants_input(c));
}

int client_new(struct control *control, int in, int out, struct error *err)
{
	socklen_t len = sizeof(int);
	json_t *greeting;
	struct client *c;
	int type;

	c = calloc(1, sizeof(*c));
	if (!c)
		return error_sys(err, ENOMEM, "cannot serve a QMP client");
	c->session = (struct qmp_session){
		.control = control,
		.commands = qmp_commands,
		.send = send_answer,
	};
	snprintf(c->label, sizeof(c->label), "client %u",
		 control->next_client++);
	c->socket = !getsockopt(in, SOL_SOCKET, SO_TYPE, &type, &len);
	c->in = (struct loop_fd){
		.fd = in, .events = EPOLLIN, .fn = on_readable, .opaque = c
	};
	c->out = (struct loop_fd){
		.fd = out, .events = EPOLLOUT, .fn = on_writable, .opaque = c
	};
	c->work = (struct loop_call){ .fn = work, .opaque = c };
	c->next = control->clients;
	control->clients = c;
	control->nr_clients++;
	greeting = qmp_greeting();
	client_send(c, greeting);
	json_decref(greeting);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../config.h"
#include "../control/socket.h"
#include "../error.h"
#include "../log.h"
#include "target.h"

/* A byte from the client makes at most an acknowledgement and a frame. */
#define OUT_MAX (4 * GDB_FRAME_MAX)
#define OUT_FULL (OUT_MAX - GDB_FRAME_MAX - 1)
#define IN_MAX 4096

struct gdb_server {
	struct gdb_stub stub;
	struct gdb_target target;
	struct vm_listener listener;
	struct loop_fd listening;
	struct loop_fd client;	     /* fd -1: none */
	struct listener unix_socket; /* owns listening's fd, if it has a path */

	char in[IN_MAX];
	size_t in_at, in_len; /* what is not handled yet */
	char out[OUT_MAX];
	size_t out_len;
};

/* ---- the client ---- */

static void drop(struct gdb_server *s)
{
	if (s->client.fd < 0)
		return;
	loop_fd_del(s->target.vm->loop, &s->client);
	close(s->client.fd);
	s->client.fd = -1;
	s->in_at = s->in_len = s->out_len = 0;
	gdb_stub_disconnected(&s->stub);
}

/* 0, or -errno if there is no client any more. */
static int flush(struct gdb_server *s)
{
	ssize_t n;

	while (s->out_len) {
		n = send(s->client.fd, s->out, s->out_len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		s->out_len -= (size_t)n;
		memmove(s->out, s->out + n, s->out_len);
	}
	return 0;
}

static void send_frame(void *opaque, const char *frame, size_t len)
{
	struct gdb_server *s = opaque;

	/* The reader sees to it that there is room. */
	if (s->client.fd < 0 || len > sizeof(s->out) - s->out_len)
		return;
	memcpy(s->out + s->out_len, frame, len);
	s->out_len += len;
}

/* Handles what was read, as long as there is room for the answers. */
static void handle_input(struct gdb_server *s)
{
	while (s->in_at < s->in_len && s->out_len <= OUT_FULL)
		gdb_stub_byte(&s->stub, (uint8_t)s->in[s->in_at++]);
}

/* Sends what there is to send and says what to wait for. */
static void after(struct gdb_server *s)
{
	uint32_t events = 0;

	if (s->client.fd < 0)
		return;
	if (flush(s)) {
		drop(s);
		return;
	}
	if (s->in_at == s->in_len)
		events |= EPOLLIN;
	if (s->out_len)
		events |= EPOLLOUT;
	loop_fd_set(s->target.vm->loop, &s->client, events);
}

static void on_client(void *opaque, uint32_t events)
{
	struct gdb_server *s = opaque;
	ssize_t n;

	if (events & EPOLLOUT && flush(s)) {
		drop(s);
		return;
	}
	if (s->in_at == s->in_len && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(s->client.fd, s->in, sizeof(s->in), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			drop(s);
			return;
		}
		s->in_at = 0;
		s->in_len = (size_t)n;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		drop(s);
		return;
	}
	handle_input(s);
	after(s);
}

static void on_connect(void *opaque, uint32_t events)
{
	struct gdb_server *s = opaque;
	int fd, one = 1;

	(void)events;
	fd = accept4(s->listening.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (s->client.fd >= 0) {
		log_info("gdb", "a second debugger is turned away");
		close(fd);
		return;
	}
	/* Not on a UNIX socket. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->client.fd = fd;
	s->client.events = EPOLLIN;
	gdb_stub_connected(&s->stub);
	if (loop_fd_add(s->target.vm->loop, &s->client)) {
		close(fd);
		s->client.fd = -1;
	}
}

/* ---- the VM ---- */

static int end_signal(enum vm_request ended)
{
	switch (ended) {
	case VM_REQ_SHUTDOWN:
		return 0;
	case VM_REQ_CRASH:
		return GDB_SIGSEGV;
	default:
		return GDB_SIGTERM;
	}
}

static void on_event(void *opaque, enum vm_event event, enum vm_cause cause)
{
	struct gdb_server *s = opaque;
	struct gdb_stop why;

	(void)cause;
	switch (event) {
	case VM_EVENT_STOP:
		gdb_target_paused(&s->target, &why);
		gdb_stub_stopped(&s->stub, &why);
		break;
	case VM_EVENT_RESET:
		gdb_target_reset(&s->target);
		break;
	case VM_EVENT_SHUTDOWN:
		gdb_stub_ended(&s->stub, end_signal(s->target.vm->ended));
		break;
	default:
		return;
	}
	/* What cannot be sent now waits for its turn, as does an error. */
	if (s->client.fd >= 0 && s->out_len)
		loop_fd_set(s->target.vm->loop, &s->client,
			    s->client.events | EPOLLOUT);
}

/* ---- listening ---- */

/* Anybody who can connect can do anything to the guest: only this host. */
static int listen_tcp(struct gdb_server *s, const char *where,
		      struct error *err)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	unsigned long port;
	int one = 1;
	char *end;

	if (strncmp(where, "127.0.0.1:", 10) || where[10] < '0' ||
	    where[10] > '9')
		return error_set(err, EINVAL,
				 "--gdb tcp:%.64s: must be 127.0.0.1:PORT",
				 where);
	port = strtoul(where + 10, &end, 10);
	if (*end || port > 65535)
		return error_set(err, EINVAL, "--gdb tcp:%.64s: no such port",
				 where);
	addr.sin_port = htons((uint16_t)port);
	s->listening.fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listening.fd < 0)
		return error_sys(err, errno, "--gdb: cannot make a socket");
	setsockopt(s->listening.fd, SOL_SOCKET, SO_REUSEADDR, &one,
		   sizeof(one));
	if (bind(s->listening.fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s->listening.fd, 1) ||
	    getsockname(s->listening.fd, (struct sockaddr *)&addr, &len))
		return error_sys(err, errno, "--gdb: cannot listen on %.64s",
				 where);
	if (!port)
		fprintf(stderr, "vireo: gdb: tcp:127.0.0.1:%u\n",
			ntohs(addr.sin_port));
	return 0;
}

static int listen_unix(struct gdb_server *s, const char *path,
		       struct error *err)
{
	int rc = socket_listen(&s->unix_socket, path, err);

	if (rc)
		error_prefix(err, "--gdb");
	s->listening.fd = s->unix_socket.fd;
	return rc;
}

static void close_listening(struct gdb_server *s)
{
	if (*s->unix_socket.path)
		socket_unlisten(&s->unix_socket);
	else if (s->listening.fd >= 0)
		close(s->listening.fd);
}

/* The debugger only hears of it when it wants such a thing. */
static void tell_limits(unsigned int can)
{
	if (!(can & CPU_CAN_INT3))
		log_warn("gdb", "this host's KVM does not stop at INT3: %s",
			 can & CPU_CAN_EXEC ? "up to four breakpoints" :
					      "no breakpoints");
	else if (!(can & CPU_CAN_EXEC))
		log_warn("gdb", "this host's KVM does not stop at debug "
				"registers: no hardware breakpoints");
	if (!(can & CPU_CAN_WATCH))
		log_warn("gdb", "this host's KVM does not watch memory: no "
				"watchpoints");
	if (!(can & CPU_CAN_STEP))
		log_warn("gdb", "this host's KVM does not step");
}

int gdb_server_new(struct gdb_server **out, struct vm *vm,
		   const struct gdb_config *cfg, struct error *err)
{
	struct gdb_server *s;
	int rc;

	s = calloc(1, sizeof(*s));
	if (!s)
		return error_sys(err, ENOMEM, "--gdb");
	s->target.vm = vm;
	s->stub.ops = &gdb_vm_ops;
	s->stub.target = &s->target;
	s->stub.send = send_frame;
	s->stub.opaque = s;
	s->listening.fd = -1;
	s->listening.events = EPOLLIN;
	s->listening.fn = on_connect;
	s->listening.opaque = s;
	s->client.fd = -1;
	s->client.fn = on_client;
	s->client.opaque = s;
	s->listener.fn = on_event;
	s->listener.opaque = s;

	rc = gdb_stub_init(&s->stub);
	if (rc) {
		error_sys(err, -rc, "--gdb");
		goto err_free;
	}
	if (!strncmp(cfg->target, "tcp:", 4))
		rc = listen_tcp(s, cfg->target + 4, err);
	else
		rc = listen_unix(s, cfg->target + 5, err);
	if (rc)
		goto err_close;
	rc = loop_fd_add(vm->loop, &s->listening);
	if (rc) {
		error_sys(err, -rc, "--gdb: cannot watch the socket");
		goto err_close;
	}
	vm_listen(vm, &s->listener);
	s->target.ours = cfg->wait; /* so it starts paused */
	s->target.can = vm->accel->ops->can_debug(vm->accel);
	tell_limits(s->target.can);
	*out = s;
	return 0;

err_close:
	close_listening(s);
	gdb_stub_destroy(&s->stub);
err_free:
	free(s);
	return rc;
}

void gdb_server_free(struct gdb_server *s)
{
	if (!s)
		return;
	vm_unlisten(s->target.vm, &s->listener);
	if (s->client.fd >= 0) {
		flush(s); /* how it ended, if the client still reads */
		loop_fd_del(s->target.vm->loop, &s->client);
		close(s->client.fd);
	}
	loop_fd_del(s->target.vm->loop, &s->listening);
	close_listening(s);
	gdb_stub_destroy(&s->stub);
	free(s);
}

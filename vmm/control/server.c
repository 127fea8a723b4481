// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../chardev.h"
#include "../config.h"
#include "../error.h"
#include "../log.h"
#include "control.h"

#define NAME_TRIES 1000
#define CLOSE_NS 500000000ULL
#define RETRY_NS 1000000000ULL

/* ---- opening ------------------------------------------------------------------ */

static struct server *new_server(struct control *control, const char *target,
				 struct error *err)
{
	struct server *s = &control->servers[control->nr_servers];

	if (control->nr_servers == SERVERS_MAX) {
		error_set(err, ENOSPC, "more than %d sockets", SERVERS_MAX);
		return NULL;
	}
	snprintf(s->target, sizeof(s->target), "%s", target);
	s->control = control;
	s->listener.fd = -1;
	return s;
}

static int listen_at(struct control *control, const char *path,
		     struct error *err)
{
	char target[RUNDIR_PATH_MAX + 16];
	struct server *s;
	int rc;

	snprintf(target, sizeof(target), "unix:%.107s,server=on", path);
	s = new_server(control, target, err);
	if (!s)
		return -ENOSPC;
	rc = socket_listen(&s->listener, path, err);
	if (!rc)
		control->nr_servers++;
	return rc;
}

/* Takes the descriptors. */
static int add_ready(struct control *control, const char *target, int in,
		     int out, struct error *err)
{
	unsigned int n = control->nr_ready;

	if (n == SERVERS_MAX || in < 0 || out < 0) {
		if (in >= 0)
			close(in);
		if (out >= 0)
			close(out);
		return error_set(err, EMFILE, "%.64s: no descriptor left",
				 target);
	}
	snprintf(control->ready[n].target, sizeof(control->ready[n].target),
		 "%.107s", target);
	control->ready[n].in = in;
	control->ready[n].out = out;
	control->nr_ready++;
	return 0;
}

static int duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_connected(struct control *control, const char *path,
			  struct error *err)
{
	int fd = socket_connect(path, err);

	return fd < 0 ? fd : add_ready(control, path, fd, duplicate(fd), err);
}

static int open_stdio(struct control *control, struct error *err)
{
	return add_ready(control, "stdio",
			 chardev_own_stream(STDIN_FILENO, O_RDONLY),
			 chardev_own_stream(STDOUT_FILENO, O_WRONLY), err);
}

/* A socket that whoever started us has opened, listening or connected. */
static int open_fd(struct control *control, const char *text, struct error *err)
{
	socklen_t len = sizeof(int);
	struct server *s;
	char target[24], *end;
	int listening, own;
	long fd = strtol(text, &end, 10);

	snprintf(target, sizeof(target), "fd:%.16s", text);
	if (*end || end == text || fd < 3 || fd > INT32_MAX)
		return error_set(err, EINVAL, "%s: not a descriptor above 2",
				 target);
	if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len))
		return error_sys(err, errno, "%s", target);
	own = duplicate((int)fd);
	close((int)fd);
	if (own < 0 || !listening)
		return add_ready(control, target, own,
				 own < 0 ? -1 : duplicate(own), err);
	s = new_server(control, target, err);
	if (!s) {
		close(own);
		return -ENOSPC;
	}
	fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	s->listener.fd = own;
	control->nr_servers++;
	return 0;
}

static int open_target(struct control *control, const struct qmp_config *qmp,
		       struct error *err)
{
	const char *target = qmp->target;
	int rc;

	if (!strncmp(target, "unix:", 5) && qmp->server)
		rc = listen_at(control, target + 5, err);
	else if (!strncmp(target, "unix:", 5))
		rc = open_connected(control, target + 5, err);
	else if (!strncmp(target, "fd:", 3))
		rc = open_fd(control, target + 3, err);
	else
		rc = open_stdio(control, err);
	if (rc)
		error_prefix(err, "--qmp %.64s", target);
	return rc;
}

/* The socket by which the VM is found; a VM without a name gets a free one. */
static int open_default(struct control *control, struct config *cfg,
			struct error *err)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	char name[RUNDIR_NAME_MAX] = "vm";
	unsigned int i;
	int rc;

	rc = rundir_open(dir, true, err);
	if (rc)
		return rc;
	for (i = 2;; i++) {
		rc = rundir_file(path, dir, cfg->name ? cfg->name : name, "qmp",
				 err);
		if (rc)
			return rc;
		rc = listen_at(control, path, err);
		if (rc != -EADDRINUSE || cfg->name || i == NAME_TRIES)
			break;
		snprintf(name, sizeof(name), "vm-%u", i);
	}
	if (rc == -EADDRINUSE)
		return error_set(err, EADDRINUSE,
				 "a machine named %s runs already",
				 cfg->name ? cfg->name : name);
	if (!rc && !cfg->name)
		cfg->name = strdup(name);
	return rc;
}

static int open_all(struct control *control, struct config *cfg,
		    struct error *err)
{
	unsigned int i;
	int rc = 0;

	if (strcmp(cfg->control, "off") != 0)
		rc = open_default(control, cfg, err);
	if (rc && (rc == -EADDRINUSE || !strcmp(cfg->control, "on")))
		return rc;
	if (rc)
		log_warn(NULL, "no control socket: %s", err->text);
	if (!cfg->name)
		cfg->name = strdup("vm");
	if (!cfg->name)
		return error_sys(err, ENOMEM, "cannot name the machine");
	for (i = 0; i < cfg->nr_qmp; i++) {
		rc = open_target(control, &cfg->qmp[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

int control_open(struct control **out, struct config *cfg, struct error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int rc;

	if (!control)
		return error_sys(err, ENOMEM,
				 "cannot make the control sockets");
	control->bury.fn = clients_bury;
	control->bury.opaque = control;
	control->listener.fn = control_on_vm;
	control->listener.opaque = control;
	control->started = time(NULL);
	rc = open_all(control, cfg, err);
	if (rc) {
		control_close(control);
		return rc;
	}
	*out = control;
	return 0;
}

/* ---- serving ------------------------------------------------------------------ */

/* One more than can be served is told so. */
static void turn_away(struct control *control, int fd)
{
	static const char text[] = "{\"error\": {\"class\": \"GenericError\", "
				   "\"desc\": \"too many clients\"}}\r\n";

	if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("qmp", "a client left before it was turned away");
	log_warn("qmp", "a client is turned away: there are %u",
		 control->nr_clients);
	close(fd);
}

static void on_retry(void *opaque)
{
	struct server *s = opaque;

	if (loop_fd_add(s->control->vm->loop, &s->watch))
		log_warn("qmp", "%s: nobody can connect any more", s->target);
}

static void on_connect(void *opaque, uint32_t events)
{
	struct server *s = opaque;
	struct control *control = s->control;
	struct error err;
	int fd, out;

	(void)events;
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* Without a descriptor for it, it would be reported for ever. */
		if (errno != EAGAIN && errno != ECONNABORTED &&
		    errno != EINTR) {
			loop_fd_del(control->vm->loop, &s->watch);
			loop_timer_arm(control->vm->loop, &s->retry,
				       loop_now() + RETRY_NS);
		}
		return;
	}
	if (control->nr_clients >= CLIENTS_MAX) {
		turn_away(control, fd);
		return;
	}
	out = duplicate(fd);
	if (out < 0 || client_new(control, fd, out, &err)) {
		log_warn("qmp", "cannot serve a client: out of resources");
		close(fd);
		if (out >= 0)
			close(out);
	}
}

int control_serve(struct control *control, struct vm *vm, struct error *err)
{
	struct server *s;
	int rc;

	control->vm = vm;
	vm_listen(vm, &control->listener);
	for (s = control->servers; s < control->servers + control->nr_servers;
	     s++) {
		s->watch = (struct loop_fd){ .fd = s->listener.fd,
					     .events = EPOLLIN,
					     .fn = on_connect,
					     .opaque = s };
		s->retry = (struct loop_timer){ .fn = on_retry, .opaque = s };
		rc = loop_fd_add(vm->loop, &s->watch);
		if (rc)
			return error_sys(err, -rc, "cannot watch a socket");
	}
	for (; control->nr_ready; control->nr_ready--) {
		rc = client_new(control,
				control->ready[control->nr_ready - 1].in,
				control->ready[control->nr_ready - 1].out, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- the end -------------------------------------------------------------------- */

/* What they were told last, that the VM has ended, should reach them. */
static void say_goodbye(struct control *control)
{
	uint64_t end = loop_now() + CLOSE_NS, now;
	struct client *c;
	struct pollfd p;

	while ((c = control->clients)) {
		for (;;) {
			client_flush(c);
			now = loop_now();
			if (c->closed || !c->to_send_len || now >= end)
				break;
			p = (struct pollfd){ .fd = c->out.fd,
					     .events = POLLOUT };
			if (poll(&p, 1, (int)((end - now) / 1000000)) <= 0)
				break;
		}
		client_close(c, NULL);
	}
	clients_bury(control);
	loop_unpost(control->vm->loop, &control->bury);
}

void control_close(struct control *control)
{
	struct server *s;

	if (!control)
		return;
	for (s = control->servers; s < control->servers + control->nr_servers;
	     s++) {
		if (control->vm) {
			loop_fd_del(control->vm->loop, &s->watch);
			loop_timer_cancel(control->vm->loop, &s->retry);
		}
		if (*s->listener.path)
			socket_unlisten(&s->listener);
		else
			close(s->listener.fd);
	}
	while (control->nr_ready) {
		control->nr_ready--;
		close(control->ready[control->nr_ready].in);
		close(control->ready[control->nr_ready].out);
	}
	if (control->vm) {
		say_goodbye(control);
		vm_unlisten(control->vm, &control->listener);
	}
	while (control->fdsets)
		named_fd_del(&control->fdsets);
	backends_free(control->backends);
	free(control);
}

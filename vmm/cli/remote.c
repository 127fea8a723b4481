// SPDX-License-Identifier: GPL-2.0-or-later
#include "remote.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../control/socket.h"
#include "../error.h"
#include "../loop.h"

#define MESSAGE_MAX (16 << 20)
#define READ_STEP 16384

struct remote {
	char name[RUNDIR_NAME_MAX];
	int limit_ms;
	int fd;
	int pidfd; /* -1 if there is none */
	pid_t pid;
	unsigned int last_id;

	char *buf; /* what has come and is not taken yet */
	size_t len;
	size_t scanned; /* there is no end of a line before */
	size_t size;
};

const char *remote_name(const struct remote *c)
{
	return c->name;
}

pid_t remote_pid(const struct remote *c)
{
	return c->pid;
}

int remote_fd(const struct remote *c)
{
	return c->fd;
}

/* ---- time ---- */

/* 0: never */
static uint64_t deadline(int limit_ms)
{
	return limit_ms < 0 ? 0 : loop_now() + limit_ms * 1000000ULL;
}

/* For poll(2): what is left, rounded up. */
static int left_ms(uint64_t end)
{
	uint64_t now = loop_now();

	if (!end)
		return -1;
	return now < end ? (int)((end - now + 999999) / 1000000) : 0;
}

/* ---- messages ---- */

static int silent(const struct remote *c, struct error *err)
{
	return error_set(err, ETIMEDOUT, "%s (pid %d) does not answer", c->name,
			 (int)c->pid);
}

static int closed(const struct remote *c, struct error *err)
{
	return error_set(err, EPIPE, "%s has closed the connection", c->name);
}

/* As send(2); with @fd unless that is -1. */
static ssize_t send_with(int sock, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)text, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/* @fd goes along, unless it is -1. */
static int send_message(struct remote *c, const json_t *msg, int fd,
			struct error *err)
{
	char *text = json_dumps(msg, JSON_COMPACT);
	size_t len, done;
	ssize_t n = 0;

	if (!text)
		return error_sys(err, ENOMEM, "cannot make a message");
	len = strlen(text);
	text[len++] = '\n'; /* in the place of the 0 */
	for (done = 0; done < len; done += (size_t)n) {
		do
			n = send_with(c->fd, text + done, len - done,
				      done ? -1 : fd);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			break;
	}
	free(text);
	if (n >= 0)
		return 0;
	if (errno == EAGAIN)
		return silent(c, err);
	if (errno == EPIPE || errno == ECONNRESET)
		return closed(c, err);
	return error_sys(err, errno, "cannot send to %s", c->name);
}

int remote_send(struct remote *c, const json_t *msg, struct error *err)
{
	return send_message(c, msg, -1, err);
}

bool remote_pending(const struct remote *c)
{
	return c->len && memchr(c->buf, '\n', c->len);
}

/* The first line of what has come, if there is a whole one; 1 if it is. */
static int take_line(struct remote *c, json_t **msg, struct error *err)
{
	char *end;
	size_t len;

	while (c->len &&
	       (end = memchr(c->buf + c->scanned, '\n', c->len - c->scanned))) {
		len = (size_t)(end - c->buf);
		*msg = NULL;
		if (len && strspn(c->buf, " \t\r") < len) {
			*msg = json_loadb(c->buf, len, 0, NULL);
			if (!json_is_object(*msg)) {
				json_decref(*msg);
				return error_set(err, EPROTO,
						 "%s does not talk QMP",
						 c->name);
			}
		}
		c->scanned = 0;
		c->len -= len + 1;
		memmove(c->buf, end + 1, c->len);
		if (*msg)
			return 1;
	}
	c->scanned = c->len;
	return 0;
}

static int read_more(struct remote *c, struct error *err)
{
	char *bigger;
	ssize_t n;

	if (c->len >= MESSAGE_MAX)
		return error_set(err, EPROTO, "%s sends a message without end",
				 c->name);
	if (c->size - c->len < READ_STEP) {
		bigger = realloc(c->buf, 2 * c->size + READ_STEP);
		if (!bigger)
			return error_sys(err, ENOMEM, "cannot take a message");
		c->buf = bigger;
		c->size = 2 * c->size + READ_STEP;
	}
	n = recv(c->fd, c->buf + c->len, c->size - c->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return error_sys(err, errno, "cannot hear from %s", c->name);
	if (n <= 0)
		return closed(c, err);
	c->len += (size_t)n;
	return 0;
}

int remote_receive(struct remote *c, int limit_ms, json_t **msg,
		   struct error *err)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t end = deadline(limit_ms);
	int rc;

	for (;;) {
		rc = take_line(c, msg, err);
		if (rc)
			return rc < 0 ? rc : 0;
		rc = poll(&p, 1, left_ms(end));
		if (rc < 0 && errno != EINTR)
			return error_sys(err, errno, "cannot wait for %s",
					 c->name);
		if (!rc)
			return silent(c, err);
		rc = rc > 0 ? read_more(c, err) : 0;
		if (rc)
			return rc;
	}
}

/* ---- commands ---- */

/* The answer to the command that was sent last, whose id it has. */
static int answer(struct remote *c, json_t **msg, struct error *err)
{
	uint64_t end = deadline(c->limit_ms);
	json_t *id;
	int rc;

	for (;;) {
		rc = remote_receive(c, left_ms(end), msg, err);
		if (rc)
			return rc;
		id = json_object_get(*msg, "id");
		if (json_is_integer(id) && json_integer_value(id) == c->last_id)
			return 0;
		/* An event, or what somebody was too impatient to wait for. */
		json_decref(*msg);
	}
}

static int execute(struct remote *c, const char *command, json_t *args, int fd,
		   json_t **ret, bool missing_ok, struct error *err)
{
	json_t *msg, *error;
	const char *class, *desc;
	int rc;

	if (ret)
		*ret = NULL;
	msg = json_pack("{s:s, s:o*, s:i}", "execute", command, "arguments",
			args, "id", (int)++c->last_id);
	if (!msg)
		return error_set(err, EINVAL, "%s: no name for a command",
				 command);
	rc = send_message(c, msg, fd, err);
	json_decref(msg);
	if (!rc)
		rc = answer(c, &msg, err);
	if (rc)
		return rc;
	error = json_object_get(msg, "error");
	if (error) {
		class = json_string_value(json_object_get(error, "class"));
		desc = json_string_value(json_object_get(error, "desc"));
		if (!missing_ok || !class || strcmp(class, "CommandNotFound"))
			rc = error_set(err, EREMOTEIO, "%s: %.300s", c->name,
				       desc ? desc : "refused");
	} else if (ret) {
		*ret = json_incref(json_object_get(msg, "return"));
	}
	json_decref(msg);
	return rc;
}

int remote_execute(struct remote *c, const char *command, json_t *args,
		   json_t **ret, struct error *err)
{
	return execute(c, command, args, -1, ret, false, err);
}

int remote_send_fd(struct remote *c, int fd, const char *command, json_t *args,
		   json_t **ret, struct error *err)
{
	return execute(c, command, args, fd, ret, false, err);
}

int remote_try(struct remote *c, const char *command, json_t *args,
	       json_t **ret, struct error *err)
{
	return execute(c, command, args, -1, ret, true, err);
}

int remote_pass_fd(struct remote *c, int fd, const char *opaque, char *name,
		   struct error *err)
{
	json_t *ret;
	int rc = remote_send_fd(c, fd, "add-fd",
				opaque ? json_pack("{s:s}", "opaque", opaque) :
					 NULL,
				&ret, err);

	if (rc)
		return rc;
	snprintf(name, REMOTE_FD_NAME, "/dev/fdset/%lld",
		 json_integer_value(json_object_get(ret, "fdset-id")));
	json_decref(ret);
	return 0;
}

int remote_forget_fd(struct remote *c, const char *name, struct error *err)
{
	long long set;

	if (sscanf(name, "/dev/fdset/%lld", &set) != 1)
		return error_set(err, EINVAL, "%s: no set of descriptors",
				 name);
	return remote_execute(c, "remove-fd",
			      json_pack("{s:I}", "fdset-id", (json_int_t)set),
			      NULL, err);
}

int remote_wait_end(struct remote *c, int limit_ms, struct error *err)
{
	struct pollfd p[] = { { .fd = c->fd, .events = POLLIN },
			      { .fd = c->pidfd, .events = POLLIN } };
	uint64_t end = deadline(limit_ms);
	bool ended = false;
	int rc;

	for (;;) {
		/* Without a pidfd the end of the connection must do. */
		if (ended && c->pidfd < 0)
			return 0;
		rc = poll(p, 2, left_ms(end));
		if (rc < 0 && errno != EINTR)
			return error_sys(err, errno, "cannot wait for %s",
					 c->name);
		if (!rc)
			return error_set(err, ETIMEDOUT, "%s still runs",
					 c->name);
		if (rc < 0)
			continue;
		if (p[1].revents)
			return 0;
		c->len = c->scanned = 0; /* events: of no interest here */
		if (p[0].revents && read_more(c, NULL)) {
			ended = true;
			p[0].fd = -1;
		}
	}
}

/* ---- opening and closing ---- */

static int absent(const char *name, const char *why, struct error *err)
{
	return error_set(err, ESRCH, "no machine named %s runs%s", name, why);
}

/* Nobody listens: the process was killed. */
static int remove_left(const char *dir, const char *name, struct error *err)
{
	static const char *const kinds[] = { "qmp", "console" };
	char path[RUNDIR_PATH_MAX];
	unsigned int i;
	int rc;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		rc = rundir_file(path, dir, name, kinds[i], err);
		if (!rc)
			rc = socket_remove_stale(path, err);
		/* Somebody has taken the name in the meantime. */
		if (rc && rc != -EADDRINUSE)
			return rc;
	}
	return absent(name, " any more (what it left is removed)", err);
}

static int connect_to(const char *name, struct error *err)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	int rc;

	rc = rundir_open(dir, false, err);
	if (rc == -ENOENT)
		return absent(name, "", err);
	if (!rc)
		rc = rundir_file(path, dir, name, "qmp", err);
	if (rc)
		return rc;
	rc = socket_connect(path, err);
	if (rc == -ENOENT)
		return absent(name, " (vireo ps lists those that do)", err);
	if (rc == -ECONNREFUSED)
		return remove_left(dir, name, err);
	return rc;
}

static int negotiate(struct remote *c, struct error *err)
{
	json_t *greeting;
	int rc;

	rc = remote_receive(c, c->limit_ms, &greeting, err);
	if (rc)
		return rc;
	if (!json_object_get(greeting, "QMP"))
		rc = error_set(err, EPROTO, "%s does not talk QMP", c->name);
	json_decref(greeting);
	if (rc)
		return rc;
	return remote_execute(c, "qmp_capabilities", NULL, NULL, err);
}

int remote_open(struct remote **out, const char *name, int limit_ms,
		struct error *err)
{
	struct timeval tv = { .tv_sec = limit_ms / 1000,
			      .tv_usec = limit_ms % 1000 * 1000 };
	struct remote *c;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int rc;

	if (strlen(name) >= RUNDIR_NAME_MAX)
		return absent(name, ": a name has up to 31 characters", err);
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_sys(err, ENOMEM, "cannot connect");
	strcpy(c->name, name);
	c->limit_ms = limit_ms;
	c->pidfd = -1;
	c->fd = connect_to(name, err);
	if (c->fd < 0) {
		rc = c->fd;
		goto err_free;
	}
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	    peer.pid > 0) {
		c->pid = peer.pid;
		c->pidfd = pidfd_open(peer.pid, 0);
	}
	rc = negotiate(c, err);
	if (rc)
		goto err_close;
	*out = c;
	return 0;

err_close:
	remote_close(c);
	return rc;
err_free:
	free(c);
	return rc;
}

void remote_close(struct remote *c)
{
	if (c->pidfd >= 0)
		close(c->pidfd);
	close(c->fd);
	free(c->buf);
	free(c);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariants:
 *   - Only the loop's thread reads and writes the file descriptors.  Writers
 *     append to the queue and post one flush, so characters that come one by
 *     one leave in as few system calls as the world's pace allows, and a vCPU
 *     never waits for a terminal.
 *   - While the queue is not empty either a flush is posted or the output
 *     descriptor is watched.
 *   - queue[head, tail) waits to go out.  Only a flush moves head or moves
 *     bytes within the queue, so it may write without the lock.
 *   - A descriptor is watched only while something can be done about it: one
 *     that hung up would report it without end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev.h"
#include "chardev_socket.h"
#include "error.h"
#include "log.h"
#include "loop.h"
#include "terminal.h"

#define ESCAPE_KEY 0x01 /* Ctrl-A */
#define PTY_POLL_NS 500000000ULL
#define CLOSE_NS 1000000000ULL

struct chardev {
	struct loop *loop;
	struct chardev_client client;
	struct chardev_escape escape;
	char label[128];
	int in_fd;  /* owns, or -1 */
	int out_fd; /* owns, or -1 */
	bool out_socket;
	struct chardev_socket *sock; /* owns; in place of the descriptors */
	bool pty;

	/* The loop's thread only. */
	struct loop_fd in_watch;
	struct loop_fd out_watch;
	struct loop_timer pty_timer;
	bool in_ended; /* end of file */
	bool pty_idle; /* nobody has the other side open: pty_timer runs and
			* output is dropped */
	bool raw;      /* in_fd is a terminal that we made raw */
	bool terminal; /* and it has the escape key */
	bool escaped;  /* the escape key was the last key */
	bool out_failed;
	size_t in_len;

	struct loop_call in_call;
	struct loop_call flush_call;

	pthread_mutex_t lock;
	/* Under lock. */
	bool flush_posted;
	bool waiting; /* out_watch is added or about to be */
	bool held;    /* chardev_write returned false */
	size_t head;
	size_t tail;

	/*
	 * Last, as the allocation is large enough to be touched lazily.  What
	 * a guest writes on after it was told to hold back fits once more;
	 * head stays below the first third.
	 */
	uint8_t in[4096];
	uint8_t queue[3 * CHARDEV_HIGH_WATER];
};

/* ---- output ------------------------------------------------------------ */

static ssize_t out_write(struct chardev *c, const uint8_t *buf, size_t len)
{
	ssize_t n;

	if (c->sock)
		chardev_socket_print(c->sock, buf, len);
	if (c->sock || c->pty_idle)
		return (ssize_t)len;
	do {
		if (c->out_socket)
			n = send(c->out_fd, buf, len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(c->out_fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return 0;

	if (!c->out_failed) {
		c->out_failed = true;
		log_warn("console", "output to %s is lost: %s", c->label,
			 strerror(errno));
	}
	return (ssize_t)len;
}

static void watch(struct chardev *c, struct loop_fd *lfd, bool on)
{
	if (lfd->added == on)
		return;
	if (!on)
		loop_fd_del(c->loop, lfd);
	else if (loop_fd_add(c->loop, lfd) < 0)
		log_warn("console", "cannot watch %s", c->label);
}

static void flush(void *opaque)
{
	struct chardev *c = opaque;
	bool drained = false, wait;
	size_t from, len, done;

	pthread_mutex_lock(&c->lock);
	c->flush_posted = false;
	from = c->head;
	len = c->tail - c->head;
	pthread_mutex_unlock(&c->lock);

	done = len ? (size_t)out_write(c, c->queue + from, len) : 0;

	pthread_mutex_lock(&c->lock);
	c->head += done;
	if (c->head == c->tail) {
		c->head = c->tail = 0;
		drained = c->held;
		c->held = false;
	} else if (c->head >= CHARDEV_HIGH_WATER) {
		memmove(c->queue, c->queue + c->head, c->tail - c->head);
		c->tail -= c->head;
		c->head = 0;
	}
	wait = c->waiting = c->tail && !c->flush_posted;
	pthread_mutex_unlock(&c->lock);

	watch(c, &c->out_watch, wait);
	if (drained)
		c->client.on_drained(c->client.opaque);
}

/* A pty without another side says so without end: look now and then. */
static void pty_hung_up(struct chardev *c)
{
	c->pty_idle = true;
	loop_timer_arm(c->loop, &c->pty_timer, loop_now() + PTY_POLL_NS);
}

static void out_ready(void *opaque, uint32_t events)
{
	struct chardev *c = opaque;

	if (c->pty && (events & EPOLLHUP))
		pty_hung_up(c);
	flush(c);
}

bool chardev_write(struct chardev *c, const void *buf, size_t len)
{
	size_t room;
	bool held;

	if (c->out_fd < 0 && !c->sock)
		return true;

	pthread_mutex_lock(&c->lock);
	room = sizeof(c->queue) - c->tail;
	if (len > room)
		len = room;
	memcpy(c->queue + c->tail, buf, len);
	c->tail += len;
	if (c->tail - c->head > CHARDEV_HIGH_WATER)
		c->held = true;
	held = c->held;
	if (!c->flush_posted && !c->waiting) {
		c->flush_posted = true;
		loop_post(c->loop, &c->flush_call);
	}
	pthread_mutex_unlock(&c->lock);
	return !held;
}

/* ---- input ------------------------------------------------------------- */

static const char help[] = "\r\n"
			   "Ctrl-A h       this help\r\n"
			   "Ctrl-A p       press the power button\r\n"
			   "Ctrl-A r       reset the machine\r\n"
			   "Ctrl-A x       stop the machine now\r\n"
			   "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

static void escape_key(struct chardev *c, uint8_t key)
{
	struct chardev_escape *e = &c->escape;

	switch (key) {
	case ESCAPE_KEY:
		c->in[c->in_len++] = key;
		break;
	case 'h':
	case '?':
		chardev_write(c, help, sizeof(help) - 1);
		break;
	case 'p':
		e->power_button(e->opaque);
		break;
	case 'r':
		e->reset(e->opaque);
		break;
	case 'x':
		e->stop(e->opaque);
		break;
	}
}

/* Takes the escape sequences out of the last @len bytes of c->in. */
static void filter_escapes(struct chardev *c, size_t len)
{
	size_t i, end = c->in_len;

	c->in_len -= len;
	for (i = c->in_len; i < end; i++) {
		uint8_t key = c->in[i];

		if (c->escaped) {
			c->escaped = false;
			escape_key(c, key);
		} else if (key == ESCAPE_KEY) {
			c->escaped = true;
		} else {
			c->in[c->in_len++] = key;
		}
	}
}

/*
 * A terminal is read ahead of the device, or the escape key would be dead
 * just when the guest hangs.
 */
static size_t in_room(struct chardev *c)
{
	size_t room = sizeof(c->in) - c->in_len, take;

	if ((c->in_fd < 0 && !c->sock) || c->in_ended || c->pty_idle)
		return 0;
	if (c->terminal)
		return room;
	take = c->client.can_take(c->client.opaque);
	return take < room ? take : room;
}

static void deliver(struct chardev *c)
{
	size_t n;

	while (c->in_len) {
		n = c->client.can_take(c->client.opaque);
		if (n > c->in_len)
			n = c->in_len;
		if (!n)
			break;
		c->client.input(c->client.opaque, c->in, n);
		c->in_len -= n;
		memmove(c->in, c->in + n, c->in_len);
	}
	if (c->sock)
		chardev_socket_poll_input(c->sock, in_room(c) > 0);
	else
		watch(c, &c->in_watch, in_room(c) > 0);
}

static size_t socket_room(void *opaque)
{
	return in_room(opaque);
}

static void socket_input(void *opaque, const uint8_t *buf, size_t len)
{
	struct chardev *c = opaque;

	memcpy(c->in + c->in_len, buf, len); /* at most in_room() */
	c->in_len += len;
	deliver(c);
}

static void in_restart(void *opaque)
{
	deliver(opaque);
}

static void pty_check(void *opaque)
{
	struct chardev *c = opaque;
	struct pollfd p = { .fd = c->in_fd, .events = POLLIN };

	if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP)) {
		pty_hung_up(c);
		return;
	}
	c->pty_idle = false;
	deliver(c);
}

static void in_ready(void *opaque, uint32_t events)
{
	struct chardev *c = opaque;
	size_t room = in_room(c);
	ssize_t n = 0;

	(void)events;
	if (room) {
		n = read(c->in_fd, c->in + c->in_len, room);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0 && c->pty) {
			pty_hung_up(c);
		} else if (n <= 0) {
			c->in_ended = true;
		}
	}
	if (n > 0) {
		c->in_len += (size_t)n;
		if (c->terminal)
			filter_escapes(c, (size_t)n);
	}
	deliver(c);
}

void chardev_poll_input(struct chardev *c)
{
	if (c->in_fd >= 0 || c->sock)
		loop_post(c->loop, &c->in_call);
}

/* ---- opening and closing ------------------------------------------------ */

/*
 * A descriptor of our own for standard stream @fd.  O_NONBLOCK is a property
 * of the open file, which we share with whoever started us, so a pipe or a
 * terminal is opened anew.  A regular file is not: it has its position in the
 * open file.  What cannot be opened again (a socket, another user's terminal)
 * is used as it is.
 */
int chardev_own_stream(int fd, int flags)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0)
			return own;
	}
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : own;
}

static int open_stdio(struct chardev *c, bool escape, struct error *err)
{
	struct stat st;
	int ret;

	ret = chardev_own_stream(STDOUT_FILENO, O_WRONLY);
	if (ret < 0)
		return error_sys(err, -ret, "cannot use standard output");
	c->out_fd = ret;
	c->out_socket = !fstat(ret, &st) && S_ISSOCK(st.st_mode);

	/* Without standard input there is no input, and that is all. */
	ret = chardev_own_stream(STDIN_FILENO, O_RDONLY);
	c->in_fd = ret < 0 ? -1 : ret;
	if (ret >= 0 && isatty(c->in_fd)) {
		ret = terminal_raw(c->in_fd);
		if (ret == -EBUSY)
			return error_set(err, EBUSY, "two consoles on stdio");
		if (ret < 0)
			return error_sys(err, -ret,
					 "cannot set the terminal's mode");
		c->raw = true;
		c->terminal = escape;
	}
	snprintf(c->label, sizeof(c->label), "stdio");
	return 0;
}

/* The other side starts out raw, as a serial line to a machine would be. */
static int pty_set_raw(const char *name)
{
	struct termios t;
	int fd, ret = 0;

	fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &t) < 0) {
		ret = -errno;
		goto out;
	}
	cfmakeraw(&t);
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		ret = -errno;
out:
	close(fd);
	return ret;
}

static int open_pty(struct chardev *c, struct error *err)
{
	char name[32];
	int ret;

	c->pty = true;
	c->in_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->in_fd < 0)
		return error_sys(err, errno, "cannot open a pseudo-terminal");
	if (grantpt(c->in_fd) < 0 || unlockpt(c->in_fd) < 0)
		return error_sys(err, errno, "cannot unlock a pseudo-terminal");
	ret = ptsname_r(c->in_fd, name, sizeof(name));
	if (ret)
		return error_sys(err, ret, "cannot name a pseudo-terminal");
	ret = pty_set_raw(name);
	if (ret < 0)
		return error_sys(err, -ret, "cannot set up %s", name);
	/* epoll tells descriptors apart, and in and out come and go. */
	c->out_fd = fcntl(c->in_fd, F_DUPFD_CLOEXEC, 3);
	if (c->out_fd < 0)
		return error_sys(err, errno, "cannot duplicate %s", name);
	snprintf(c->label, sizeof(c->label), "pty %s", name);
	/* A warning, as without it the person cannot find the console. */
	log_warn("console", "%s", c->label);
	return 0;
}

static int open_file(struct chardev *c, const char *path, struct error *err)
{
	c->out_fd = open(path,
			 O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_NONBLOCK |
				 O_CLOEXEC,
			 0666);
	if (c->out_fd < 0)
		return error_sys(err, errno, "cannot open console file '%s'",
				 path);
	snprintf(c->label, sizeof(c->label), "file %s", path);
	return 0;
}

static int open_socket(struct chardev *c, const char *path, struct error *err)
{
	const struct chardev_socket_user user = { socket_room, socket_input,
						  c };

	snprintf(c->label, sizeof(c->label), "unix %s,server=on", path);
	return chardev_socket_open(&c->sock, c->loop, path, &user, err);
}

static int open_target(struct chardev *c, const char *target, bool escape,
		       struct error *err)
{
	if (!strcmp(target, "stdio"))
		return open_stdio(c, escape, err);
	if (!strcmp(target, "pty"))
		return open_pty(c, err);
	if (!strncmp(target, "file:", 5) && target[5])
		return open_file(c, target + 5, err);
	if (!strncmp(target, "unix:", 5))
		return open_socket(c, target + 5, err);
	if (!strcmp(target, "none")) {
		snprintf(c->label, sizeof(c->label), "none");
		return 0;
	}
	return error_set(
		err, EINVAL,
		"unknown console '%s' (stdio, pty, file:PATH, unix:PATH or none)",
		target);
}

static void close_target(struct chardev *c)
{
	if (c->sock)
		chardev_socket_close(c->sock, CLOSE_NS);
	if (c->raw)
		terminal_restore();
	if (c->in_fd >= 0)
		close(c->in_fd);
	if (c->out_fd >= 0)
		close(c->out_fd);
}

int chardev_open(struct chardev **chr, struct loop *loop, const char *target,
		 const struct chardev_client *client,
		 const struct chardev_escape *escape, struct error *err)
{
	struct chardev *c;
	int ret;

	c = calloc(1, sizeof(*c));
	if (!c)
		return error_sys(err, ENOMEM, "console");
	c->loop = loop;
	c->client = *client;
	if (escape)
		c->escape = *escape;
	c->in_fd = -1;
	c->out_fd = -1;
	ret = open_target(c, target, escape != NULL, err);
	if (ret < 0)
		goto err_close;

	pthread_mutex_init(&c->lock, NULL);
	c->in_watch = (struct loop_fd){
		.fd = c->in_fd,
		.events = EPOLLIN,
		.fn = in_ready,
		.opaque = c,
	};
	c->out_watch = (struct loop_fd){
		.fd = c->out_fd,
		.events = EPOLLOUT,
		.fn = out_ready,
		.opaque = c,
	};
	c->pty_timer = (struct loop_timer){ .fn = pty_check, .opaque = c };
	c->in_call = (struct loop_call){ .fn = in_restart, .opaque = c };
	c->flush_call = (struct loop_call){ .fn = flush, .opaque = c };
	if (c->pty)
		pty_hung_up(c); /* until somebody opens it */
	chardev_poll_input(c);
	*chr = c;
	return 0;

err_close:
	close_target(c);
	free(c);
	return ret;
}

void chardev_close(struct chardev *c)
{
	uint64_t now = loop_now(), end = now + CLOSE_NS;
	struct pollfd p = { .fd = c->out_fd, .events = POLLOUT };

	c->held = false; /* nobody is to hear of it any more */
	for (; c->tail && now < end; now = loop_now()) {
		if (!c->sock && poll(&p, 1, (int)((end - now) / 1000000)) <= 0)
			break;
		flush(c);
	}
	watch(c, &c->in_watch, false);
	watch(c, &c->out_watch, false);
	loop_timer_cancel(c->loop, &c->pty_timer);
	loop_unpost(c->loop, &c->in_call);
	loop_unpost(c->loop, &c->flush_call);
	close_target(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

const char *chardev_label(const struct chardev *c)
{
	return c->label;
}

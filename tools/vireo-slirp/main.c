// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo-slirp: the network of a machine with --net user.  Started by vireo, with
 * one end of a stream as descriptor 3: frames, each after its length (4 bytes,
 * the first the most significant).  libslirp does the rest.  It ends when the
 * stream does.
 *
 * What it says first is in the place of a frame: "ok", or an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "slirp.h"

#define FD 3
#define LEN 4
#define FRAME_MAX (65535 + 18)
#define MAX_POLL 4096
#define MAX_TIMERS 16
#define SUBNET "10.0.2.0/24"

struct timer {
	SlirpTimerCb fn; /* NULL: free */
	void *opaque;
	int64_t at; /* ms; -1: not armed */
};

struct router {
	Slirp *slirp;
	struct pollfd fds[MAX_POLL];
	int nr_fds;
	struct timer timers[MAX_TIMERS];
	uint8_t in[LEN + FRAME_MAX];
	size_t in_len;
	/* The rest of a frame that did not fit into the stream. */
	uint8_t out[LEN + FRAME_MAX];
	size_t out_at, out_len;
};

/* ---- the stream --------------------------------------------------------------- */

static void put_len(uint8_t *to, size_t len)
{
	const uint32_t head = htonl((uint32_t)len);

	memcpy(to, &head, LEN);
}

static void flush(struct router *r)
{
	ssize_t n;

	while (r->out_len) {
		n = write(FD, r->out + r->out_at, r->out_len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			exit(0);
		r->out_at += (size_t)n;
		r->out_len -= (size_t)n;
	}
}

/* One that finds no room is lost, as on a wire. */
static ssize_t send_frame(const void *buf, size_t len, void *opaque)
{
	struct router *r = opaque;

	if (len > FRAME_MAX || r->out_len)
		return (ssize_t)len;
	put_len(r->out, len);
	memcpy(r->out + LEN, buf, len);
	r->out_at = 0;
	r->out_len = LEN + len;
	flush(r);
	return (ssize_t)len;
}

static void take_frames(struct router *r)
{
	size_t at = 0, len;
	uint32_t head;
	ssize_t n;

	n = read(FD, r->in + r->in_len, sizeof(r->in) - r->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		exit(0);
	r->in_len += (size_t)n;
	while (r->in_len - at >= LEN) {
		memcpy(&head, r->in + at, LEN);
		len = ntohl(head);
		if (len > FRAME_MAX)
			exit(1);
		if (r->in_len - at - LEN < len)
			break;
		slirp_input(r->slirp, r->in + at + LEN, (int)len);
		at += LEN + len;
	}
	r->in_len -= at;
	memmove(r->in, r->in + at, r->in_len);
}

/* Only before the first frame. */
static void say(const char *fmt, ...)
{
	uint8_t text[LEN + 200];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf((char *)text + LEN, sizeof(text) - LEN, fmt, ap);
	va_end(ap);
	if (len >= (int)(sizeof(text) - LEN))
		len = sizeof(text) - LEN - 1;
	put_len(text, (size_t)len);
	if (write(FD, text, LEN + (size_t)len) < 0)
		exit(1);
}

/* ---- what libslirp asks for ----------------------------------------------------- */

static int64_t now_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)msg;
	(void)opaque;
}

static void *timer_new(SlirpTimerCb fn, void *fn_opaque, void *opaque)
{
	struct router *r = opaque;
	struct timer *t;

	for (t = r->timers; t < r->timers + MAX_TIMERS; t++)
		if (!t->fn) {
			*t = (struct timer){ fn, fn_opaque, -1 };
			return t;
		}
	abort(); /* it has two at most */
}

static void timer_free(void *timer, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->fn = NULL;
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->at = ms;
}

static void poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_frame,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd,
	.unregister_poll_fd = poll_fd,
	.notify = notify,
};

static const struct {
	int slirp;
	short poll;
} events[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT },
	{ SLIRP_POLL_PRI, POLLPRI }, { SLIRP_POLL_ERR, POLLERR },
	{ SLIRP_POLL_HUP, POLLHUP },
};

#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

static int add_poll(int fd, int wanted, void *opaque)
{
	struct router *r = opaque;
	size_t i;

	if (r->nr_fds == MAX_POLL)
		return -1;
	r->fds[r->nr_fds] = (struct pollfd){ .fd = fd };
	for (i = 0; i < NR_EVENTS; i++)
		if (wanted & events[i].slirp)
			r->fds[r->nr_fds].events |= events[i].poll;
	return r->nr_fds++;
}

static int get_events(int index, void *opaque)
{
	const struct router *r = opaque;
	int got = 0;
	size_t i;

	if (index < 0 || index >= r->nr_fds)
		return 0;
	for (i = 0; i < NR_EVENTS; i++)
		if (r->fds[index].revents & events[i].poll)
			got |= events[i].slirp;
	return got;
}

static void run_timers(struct router *r, uint32_t *wait)
{
	int64_t now = now_ns(NULL) / 1000000;
	struct timer *t;

	for (t = r->timers; t < r->timers + MAX_TIMERS; t++) {
		if (!t->fn || t->at < 0)
			continue;
		if (t->at <= now) {
			t->at = -1;
			t->fn(t->opaque);
		}
		if (t->at >= 0 && t->at - now < *wait)
			*wait = t->at > now ? (uint32_t)(t->at - now) : 0;
	}
}

static void run(struct router *r)
{
	uint32_t wait;
	int rc;

	for (;;) {
		r->nr_fds = 1;
		wait = 60000;
		run_timers(r, &wait);
		slirp_pollfds_fill(r->slirp, &wait, add_poll, r);
		r->fds[0] = (struct pollfd){
			.fd = FD,
			.events = (short)(POLLIN | (r->out_len ? POLLOUT : 0)),
		};
		rc = poll(r->fds, (nfds_t)r->nr_fds, (int)wait);
		if (rc < 0 && errno != EINTR)
			exit(1);
		flush(r);
		slirp_pollfds_poll(r->slirp, rc < 0, get_events, r);
		if (rc > 0 && r->fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			take_frames(r);
	}
}

/* ---- what it is told -------------------------------------------------------------- */

struct subnet {
	struct in_addr net, mask;
};

/* "10.0.2.0/24" */
static bool parse_subnet(const char *text, struct subnet *s)
{
	char addr[INET_ADDRSTRLEN];
	unsigned int bits;
	int end = 0;

	if (sscanf(text, "%15[0-9.]/%2u%n", addr, &bits, &end) != 2 ||
	    text[end] || bits < 8 || bits > 27 ||
	    inet_pton(AF_INET, addr, &s->net) != 1)
		return false;
	s->mask.s_addr = htonl(~0U << (32 - bits));
	return !(s->net.s_addr & ~s->mask.s_addr);
}

static struct in_addr host_of(const struct subnet *s, uint32_t n)
{
	return (struct in_addr){ s->net.s_addr | htonl(n) };
}

/* [ADDRESS]:PORT, and what follows */
static const char *parse_place(const char *text, struct in_addr *addr,
			       int *port)
{
	size_t len = strspn(text, "0123456789.");
	char name[INET_ADDRSTRLEN], *end;
	unsigned long n;

	if (len >= sizeof(name) || text[len] != ':')
		return NULL;
	memcpy(name, text, len);
	name[len] = '\0';
	if (len && inet_pton(AF_INET, name, addr) != 1)
		return NULL;
	text += len + 1;
	n = strtoul(text, &end, 10);
	if (end == text || *text < '0' || *text > '9' || !n || n > 65535)
		return NULL;
	*port = (int)n;
	return end;
}

/* "tcp:[ADDRESS]:PORT-[ADDRESS]:PORT", and more of them after a + */
static bool forward(struct router *r, const struct subnet *s, const char *text)
{
	const char *all = text;
	struct in_addr host, guest;
	int host_port, guest_port;
	bool udp;

	do {
		udp = !strncmp(text, "udp:", 4);
		if (!udp && strncmp(text, "tcp:", 4) != 0)
			goto malformed;
		host.s_addr = htonl(INADDR_LOOPBACK);
		guest = host_of(s, 15);
		text = parse_place(text + 4, &host, &host_port);
		if (!text || *text++ != '-')
			goto malformed;
		text = parse_place(text, &guest, &guest_port);
		if (!text || (*text && *text != '+'))
			goto malformed;
		if (slirp_add_hostfwd(r->slirp, udp, host, host_port, guest,
				      guest_port)) {
			say("hostfwd: cannot listen on %s port %d: %s",
			    inet_ntoa(host), host_port, strerror(errno));
			return false;
		}
	} while (*text++ == '+');
	return true;

malformed:
	say("hostfwd=%.64s must be as tcp:127.0.0.1:2222-:22, more after a +",
	    all);
	return false;
}

static bool open_slirp(struct router *r, const struct subnet *s, bool isolated)
{
	const SlirpConfig cfg = {
		.version = 4,
		.restricted = isolated,
		.in_enabled = true,
		.vnetwork = s->net,
		.vnetmask = s->mask,
		.vhost = host_of(s, 2),
		.vnameserver = host_of(s, 3),
		.vdhcp_start = host_of(s, 15),
		.disable_host_loopback = isolated,
	};

	r->slirp = slirp_new(&cfg, &callbacks, r);
	if (!r->slirp)
		say("libslirp does not start");
	return r->slirp;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "subnet", required_argument, NULL, 's' },
		{ "hostfwd", required_argument, NULL, 'h' },
		{ "isolated", no_argument, NULL, 'i' },
		{ 0 }
	};
	const char *subnet = SUBNET, *hostfwd = NULL, *why;
	static struct router router;
	bool isolated = false;
	struct subnet s;
	int c;

	if (fcntl(FD, F_SETFL, O_NONBLOCK)) {
		fprintf(stderr,
			"vireo-slirp: vireo(1) starts it, for --net user\n");
		return 2;
	}
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			subnet = optarg;
		else if (c == 'h')
			hostfwd = optarg;
		else if (c == 'i')
			isolated = true;
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!parse_subnet(subnet, &s)) {
		say("subnet=%.32s must be as %s, of 8 to 27 bits", subnet,
		    SUBNET);
		return 1;
	}
	if (!open_slirp(&router, &s, isolated) ||
	    (hostfwd && !forward(&router, &s, hostfwd)))
		return 1;
	why = confine();
	if (why) {
		say("cannot lock in: %s: %s", why, strerror(errno));
		return 1;
	}
	say("ok");
	run(&router);
}

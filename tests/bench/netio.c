// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Network traffic between a guest of tests/bench and its host.
 *
 *   netio serve PORT
 *
 * The host's end: serves one client after the other.
 *
 *   netio ADDRESS PORT udp-send|udp-receive SIZE COUNT WINDOW
 *   netio ADDRESS PORT tcp-send|tcp-receive MIB
 *
 * The guest's: sends or receives COUNT packets of SIZE bytes (with their IP
 * header), or so many MiB.  Of a flow of packets no more than WINDOW are under
 * way: who receives answers each half a window with one small packet.  So none is
 * lost for want of room, however threads share a processor; what is lost for
 * another reason is written off after a while, and counted.
 *
 * Prints the ticks of the processor's clock for a packet or MiB, which in a lab in
 * instruction-count mode are instructions (of guest, VMM and host together), less
 * those in which the host was idle, of which it is said how many there were; and
 * the packets for each interrupt of a network card.  Port MARK tells whoever
 * traces the host when it begins and ends.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MARK 0x5658
#define HEADERS 28 /* of IP and UDP */
#define CHUNK 65536
#define MIB (1UL << 20)
/* Who waits for more than that must have lost some. */
#define WRITE_OFF 2
#define GIVE_UP (2 * WRITE_OFF)

enum kind { UDP_SEND, UDP_RECEIVE, TCP_SEND, TCP_RECEIVE, KINDS };

static const char *const names[KINDS] = {
	"udp-send",
	"udp-receive",
	"tcp-send",
	"tcp-receive",
};

/* As the client sees it.  Of TCP, count is in MiB. */
struct flow {
	uint32_t kind;
	uint32_t size;
	uint32_t count;
	uint32_t window;
};

struct result {
	uint64_t received; /* packets of udp-send */
	uint64_t idle;	   /* ns */
};

static char buffer[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	for (; len; len -= (size_t)n, p += n) {
		n = write(fd, p, len);
		if (n <= 0)
			die("write");
	}
}

/* False at the end. */
static bool get(int fd, void *data, size_t len)
{
	char *p = data;
	ssize_t n;

	for (; len; len -= (size_t)n, p += n) {
		n = read(fd, p, len);
		if (n < 0)
			die("read");
		if (!n)
			return false;
	}
	return true;
}

/* Room for a window of packets, whatever each takes there. */
static void make_room(int fd)
{
	int room = 4 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		die("SO_RCVBUFFORCE");
}

static void give_up_after(int fd, time_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		die("SO_RCVTIMEO");
}

/* ---- packets and bytes ------------------------------------------------------ */

static void packets_send(int fd, const struct flow *flow)
{
	uint32_t sent = 0, done = 0, answer;
	ssize_t n;

	give_up_after(fd, WRITE_OFF);
	while (done < flow->count) {
		for (; sent < flow->count && sent - done < flow->window;
		     sent++) {
			memcpy(buffer, &sent, sizeof(sent));
			/* Refused is what was sent before: it is lost. */
			n = send(fd, buffer, flow->size - HEADERS, 0);
			(void)n;
		}
		n = recv(fd, &answer, sizeof(answer), 0);
		if (n != sizeof(answer))
			done = sent;
		else if (answer <= sent && answer > done)
			done = answer;
	}
}

/* How many came. */
static uint32_t packets_receive(int fd, const struct flow *flow)
{
	uint32_t got = 0, next, answered = 0;
	ssize_t n;

	give_up_after(fd, GIVE_UP);
	do {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n != (ssize_t)flow->size - HEADERS)
			break;
		got++;
		memcpy(&next, buffer, sizeof(next));
		next++;
		if (next - answered < (flow->window + 1) / 2 &&
		    next != flow->count)
			continue;
		n = send(fd, &next, sizeof(next), 0);
		answered = next;
	} while (next != flow->count);
	return got;
}

static void bytes_send(int fd, const struct flow *flow)
{
	uint64_t left;

	for (left = flow->count * MIB; left; left -= CHUNK)
		put(fd, buffer, CHUNK);
}

static void bytes_receive(int fd, const struct flow *flow)
{
	uint64_t left = flow->count * MIB;
	ssize_t n;

	for (; left; left -= (uint64_t)n) {
		n = read(fd, buffer, left < CHUNK ? left : CHUNK);
		if (n <= 0)
			die("read");
	}
}

/* ---- the host --------------------------------------------------------------- */

/* Of all processors since the start, in ns. */
static uint64_t idle(void)
{
	FILE *file = fopen("/proc/timer_list", "re");
	unsigned long long n, sum = 0;
	char line[256];

	if (!file)
		die("/proc/timer_list");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " .idle_sleeptime : %llu", &n) == 1)
			sum += n;
	fclose(file);
	return sum;
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, type, 0), one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("bind");
	return fd;
}

/* The first packet says where the others are to go. */
static int packets_from(uint16_t port)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd = bound(SOCK_DGRAM, port);
	char c;

	make_room(fd);
	give_up_after(fd, GIVE_UP);
	if (recvfrom(fd, &c, 1, 0, (struct sockaddr *)&from, &len) != 1 ||
	    connect(fd, (struct sockaddr *)&from, len))
		die("no first packet");
	return fd;
}

static void serve_one(int tcp, uint16_t port)
{
	struct result result = { 0 };
	struct flow flow;
	int udp = -1;
	uint64_t before;
	char go = 'g';

	if (!get(tcp, &flow, sizeof(flow)))
		return;
	if (flow.kind == UDP_SEND || flow.kind == UDP_RECEIVE)
		udp = packets_from(port);
	before = idle();
	put(tcp, &go, 1);
	switch (flow.kind) {
	case UDP_SEND:
		result.received = packets_receive(udp, &flow);
		break;
	case UDP_RECEIVE:
		/* Not before the other end counts. */
		if (recv(udp, &go, 1, 0) == 1)
			packets_send(udp, &flow);
		break;
	case TCP_SEND:
		bytes_receive(tcp, &flow);
		put(tcp, &go, 1);
		break;
	default:
		bytes_send(tcp, &flow);
	}
	if (!get(tcp, &go, 1))
		die("the client is gone");
	result.idle = idle() - before;
	put(tcp, &result, sizeof(result));
	if (udp >= 0)
		close(udp);
}

static _Noreturn void serve(uint16_t port)
{
	const struct sched_param none = { 0 };
	int fd = bound(SOCK_STREAM, port), tcp, one = 1;

	/* It is to interrupt nobody for each packet, who has more of them. */
	if (sched_setscheduler(0, SCHED_BATCH, &none))
		die("SCHED_BATCH");
	if (listen(fd, 1))
		die("listen");
	for (;;) {
		tcp = accept(fd, NULL, NULL);
		if (tcp < 0)
			die("accept");
		setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve_one(tcp, port);
		close(tcp);
	}
}

/* ---- the guest -------------------------------------------------------------- */

static int connected(int type, const char *address, uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, type, 0), one = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* The kernel does it: not all hosts let a guest's programs use ports. */
static void mark(uint8_t what)
{
	static int port = -1;

	if (port < 0)
		port = open("/dev/port", O_WRONLY);
	if (pwrite(port, &what, 1, MARK) != 1)
		die("/dev/port");
}

/* Of all network cards' queues since the start. */
static unsigned long interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	unsigned long sum = 0;
	char line[1024], *p;

	if (!file)
		die("/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		p = strchr(line, ':');
		if (p && (strstr(line, "-input.") || strstr(line, "-output.")))
			sum += strtoul(p + 1, NULL, 10);
	}
	fclose(file);
	return sum;
}

/* Returns the packets that were lost. */
static uint64_t run(const struct flow *flow, int tcp, int udp)
{
	char c = 'g';

	switch (flow->kind) {
	case UDP_SEND:
		packets_send(udp, flow);
		return 0; /* the host knows */
	case UDP_RECEIVE:
		if (send(udp, &c, 1, 0) != 1)
			die("send");
		return flow->count - packets_receive(udp, flow);
	case TCP_SEND:
		bytes_send(tcp, flow);
		if (!get(tcp, &c, 1))
			die("the server is gone");
		return 0;
	default:
		bytes_receive(tcp, flow);
		return 0;
	}
}

static int measure(const struct flow *flow, const char *address, uint16_t port)
{
	int tcp = connected(SOCK_STREAM, address, port), udp = -1;
	unsigned long before;
	struct result result;
	uint64_t start, ticks, lost;
	char c = 'h';

	put(tcp, flow, sizeof(*flow));
	if (flow->kind == UDP_SEND || flow->kind == UDP_RECEIVE) {
		/* When the server listens, which it will soon. */
		usleep(100000);
		udp = connected(SOCK_DGRAM, address, port);
		make_room(udp);
		if (send(udp, &c, 1, 0) != 1)
			die("send");
	}
	if (!get(tcp, &c, 1))
		die("the server is gone");
	before = interrupts();
	mark(1);
	start = __rdtsc();
	lost = run(flow, tcp, udp);
	ticks = __rdtsc() - start;
	mark(2);
	before = interrupts() - before;
	put(tcp, &c, 1);
	if (!get(tcp, &result, sizeof(result)))
		die("the server is gone");
	if (flow->kind == UDP_SEND)
		lost = flow->count - result.received;
	if (result.idle > ticks)
		result.idle = ticks;
	printf("netio %s %u %u ticks %llu idle %llu lost %llu per-interrupt %.2f\n",
	       names[flow->kind], flow->size, flow->window,
	       (unsigned long long)((ticks - result.idle) / flow->count),
	       (unsigned long long)(result.idle / flow->count),
	       (unsigned long long)lost,
	       (double)flow->count / (double)(before ? before : 1));
	return 0;
}

int main(int argc, char **argv)
{
	struct flow flow = { 0 };
	bool udp;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((uint16_t)atoi(argv[2]));
	if (argc < 5)
		return 2;
	while (flow.kind < KINDS && strcmp(names[flow.kind], argv[3]))
		flow.kind++;
	udp = flow.kind == UDP_SEND || flow.kind == UDP_RECEIVE;
	if (flow.kind == KINDS || argc != (udp ? 7 : 5))
		return 2;
	if (udp) {
		flow.size = (uint32_t)atoi(argv[4]);
		flow.count = (uint32_t)atoi(argv[5]);
		flow.window = (uint32_t)atoi(argv[6]);
	} else {
		flow.count = (uint32_t)atoi(argv[4]);
	}
	if (!flow.count || (udp && (flow.size < HEADERS + 4 ||
				    flow.size > 1500 || !flow.window)))
		return 2;
	return measure(&flow, argv[1], (uint16_t)atoi(argv[2]));
}

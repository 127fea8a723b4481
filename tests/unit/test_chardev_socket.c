// SPDX-License-Identifier: GPL-2.0-or-later
/* Consoles on a UNIX socket: who attaches, what each sees and types. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev.h"
#include "chardev_socket.h"
#include "cmocka_unit.h"
#include "control/socket.h"
#include "error.h"
#include "loop.h"

struct world {
	struct loop *loop;
	struct chardev *chr;
	char dir[32];
	char path[64];
	size_t room;
	char in[64];
	size_t in_len;
	unsigned int drained;
};

static size_t on_take(void *opaque)
{
	return ((struct world *)opaque)->room;
}

static void on_input(void *opaque, const uint8_t *buf, size_t len)
{
	struct world *w = opaque;

	assert_true(len <= w->room);
	assert_true(w->in_len + len < sizeof(w->in));
	memcpy(w->in + w->in_len, buf, len);
	w->in_len += len;
	w->room -= len;
}

static void on_drained(void *opaque)
{
	((struct world *)opaque)->drained++;
}

static int open_chr(struct world *w, struct chardev **chr, struct error *err)
{
	const struct chardev_client client = { on_take, on_input, on_drained,
					       w };
	char target[80];

	snprintf(target, sizeof(target), "unix:%s", w->path);
	return chardev_open(chr, w->loop, target, &client, NULL, err);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;

	*state = w;
	strcpy(w->dir, "/tmp/chardev-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/console", w->dir);
	w->room = sizeof(w->in) - 1;
	assert_int_equal(loop_new(&w->loop, &err), 0);
	return open_chr(w, &w->chr, &err);
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->chr)
		chardev_close(w->chr);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(rmdir(w->dir), 0);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void end(void *loop)
{
	loop_stop(loop);
}

/* Runs the loop until it has nothing to do for a moment. */
static void pump(struct world *w)
{
	struct loop_timer t = { .fn = end, .opaque = w->loop };

	loop_timer_arm(w->loop, &t, loop_now() + 20000000ULL);
	assert_int_equal(loop_run(w->loop), 0);
}

static int attach(struct world *w)
{
	struct error err;
	int fd = socket_connect(w->path, &err);

	assert_true(fd >= 0);
	pump(w);
	return fd;
}

/* All that there is to read; the length. */
static size_t read_all(struct world *w, int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, buf + len, size - len - 1, MSG_DONTWAIT);
		if (n <= 0) {
			pump(w);
			n = recv(fd, buf + len, size - len - 1, MSG_DONTWAIT);
		}
		if (n <= 0)
			break;
		len += (size_t)n;
		assert_true(len < size - 1);
	}
	buf[len] = '\0';
	return len;
}

static void sees(struct world *w, int fd, const char *text)
{
	char buf[256];

	read_all(w, fd, buf, sizeof(buf));
	assert_string_equal(buf, text);
}

static void print(struct world *w, const char *text)
{
	assert_true(chardev_write(w->chr, text, strlen(text)));
}

static bool closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

/* ---- tests ---- */

static void only_one(void **state)
{
	struct world *w = *state;
	struct chardev *second;
	struct error err;
	struct stat st;

	assert_int_equal(lstat(w->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_int_equal(open_chr(w, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, w->path));
	/* That has left it as it was. */
	print(w, "here");
	close(attach(w));
}

static void shows_what_was(void **state)
{
	struct world *w = *state;
	int fd;

	print(w, "before ");
	pump(w);
	fd = attach(w);
	print(w, "after");
	sees(w, fd, "before after");
	print(w, " more");
	sees(w, fd, " more");
	close(fd);
}

/* What is too much begins with a whole line. */
static void shows_the_last(void **state)
{
	struct world *w = *state;
	static char buf[2 * CHARDEV_SCROLLBACK];
	char line[16];
	unsigned int i;
	size_t len;
	int fd;

	for (i = 0; i < 20000; i++) {
		snprintf(line, sizeof(line), "line %06u\n", i);
		chardev_write(w->chr, line, 12);
		if (i % 1000 == 0)
			pump(w);
	}
	pump(w);
	fd = attach(w);
	len = read_all(w, fd, buf, sizeof(buf));
	assert_true(len > CHARDEV_SCROLLBACK - 24);
	assert_true(len <= CHARDEV_SCROLLBACK);
	assert_int_equal(len % 12, 0);
	for (i = 0; i < len / 12; i++) {
		snprintf(line, sizeof(line), "line %06u\n",
			 (unsigned int)(20000 - len / 12 + i));
		assert_memory_equal(buf + (size_t)12 * i, line, 12);
	}
	close(fd);
}

static void several(void **state)
{
	struct world *w = *state;
	int a = attach(w), b = attach(w);

	print(w, "x");
	sees(w, a, "x");
	sees(w, b, "x");
	assert_int_equal(send(a, "1", 1, 0), 1);
	pump(w);
	assert_int_equal(send(b, "2", 1, 0), 1);
	pump(w);
	assert_string_equal(w->in, "12");
	close(a);
	pump(w);
	print(w, "y");
	sees(w, b, "y");
	/* One that types no more may still look. */
	assert_int_equal(shutdown(b, SHUT_WR), 0);
	pump(w);
	print(w, "z");
	sees(w, b, "z");
	close(b);
}

/* What was typed last comes in though who typed it is gone. */
static void types_and_goes(void **state)
{
	struct world *w = *state;
	int fd = attach(w);

	assert_int_equal(send(fd, "last", 4, 0), 4);
	close(fd);
	pump(w);
	assert_string_equal(w->in, "last");
}

static void input_waits(void **state)
{
	struct world *w = *state;
	static const char much[8192];
	int fd;

	w->room = 0;
	fd = attach(w);
	assert_int_equal(send(fd, "abc", 3, 0), 3);
	pump(w);
	assert_int_equal(w->in_len, 0);
	w->room = 2;
	chardev_poll_input(w->chr);
	pump(w);
	assert_string_equal(w->in, "ab");
	w->room = 10;
	chardev_poll_input(w->chr);
	pump(w);
	assert_string_equal(w->in, "abc");
	/* More than there is room for does not keep the loop busy or grow. */
	assert_int_equal(send(fd, much, sizeof(much), 0), sizeof(much));
	pump(w);
	assert_int_equal(w->in_len, 12);
	close(fd);
	pump(w);
}

/* A reader that sleeps holds back neither the guest nor another reader. */
static void slow_reader(void **state)
{
	struct world *w = *state;
	static char chunk[4096], buf[1 << 20];
	int slow = attach(w), quick = attach(w);
	size_t i, quick_len = 0, len, whole = (size_t)1000 * sizeof(chunk);
	const char *note;
	unsigned long long lost;

	memset(chunk, 'x', sizeof(chunk));
	for (i = 0; i < 1000; i++) {
		while (!chardev_write(w->chr, chunk, sizeof(chunk)) &&
		       !w->drained)
			pump(w);
		w->drained = 0;
		if (i % 8 == 0)
			quick_len += read_all(w, quick, buf, sizeof(buf));
	}
	quick_len += read_all(w, quick, buf, sizeof(buf));
	assert_int_equal(quick_len, whole);

	len = read_all(w, slow, buf, sizeof(buf));
	note = strstr(buf, "\r\n[");
	assert_non_null(note);
	assert_int_equal(sscanf(note, "\r\n[%llu bytes are lost]\r\n", &lost),
			 1);
	note = strstr(note, "]\r\n");
	assert_non_null(note);
	/* Nothing is missing but what is said to be. */
	len -= (size_t)(note + 3 - strstr(buf, "\r\n["));
	assert_int_equal(len + lost, whole);
	assert_int_equal(strspn(note + 3, "x"), CHARDEV_SCROLLBACK);
	close(slow);
	close(quick);
}

static void too_many(void **state)
{
	struct world *w = *state;
	int fds[CHARDEV_SOCKET_CLIENTS], fd;
	size_t i;

	for (i = 0; i < CHARDEV_SOCKET_CLIENTS; i++)
		fds[i] = attach(w);
	fd = attach(w);
	sees(w, fd, "[too many are attached]\r\n");
	assert_true(closed(fd));
	close(fd);
	print(w, "x");
	sees(w, fds[CHARDEV_SOCKET_CLIENTS - 1], "x");
	/* There is room again when one has gone. */
	close(fds[3]);
	pump(w);
	fds[3] = attach(w);
	sees(w, fds[3], "x");
	for (i = 0; i < CHARDEV_SOCKET_CLIENTS; i++)
		close(fds[i]);
}

/* What was printed last is seen, then the end. */
static void closes(void **state)
{
	struct world *w = *state;
	char buf[16];
	int fd = attach(w);

	print(w, "bye");
	chardev_close(w->chr);
	w->chr = NULL;
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 3);
	assert_memory_equal(buf, "bye", 3);
	assert_true(closed(fd));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_one, setup, teardown),
		cmocka_unit_test_setup_teardown(shows_what_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(shows_the_last, setup,
						teardown),
		cmocka_unit_test_setup_teardown(several, setup, teardown),
		cmocka_unit_test_setup_teardown(types_and_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(input_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(closes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

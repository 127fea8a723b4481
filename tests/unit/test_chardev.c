// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "chardev.h"
#include "error.h"
#include "loop.h"
#include "terminal.h"

struct world {
	struct loop *loop;
	size_t room;
	char in[8192];
	size_t in_len;
	unsigned int drained, power, stop, reset;
	int saved[2]; /* standard input and output */
};

static size_t on_take(void *opaque)
{
	return ((struct world *)opaque)->room;
}

static void on_input(void *opaque, const uint8_t *buf, size_t len)
{
	struct world *w = opaque;

	assert_true(len <= w->room);
	assert_true(w->in_len + len <= sizeof(w->in));
	memcpy(w->in + w->in_len, buf, len);
	w->in_len += len;
	w->room -= len;
}

static void on_drained(void *opaque)
{
	((struct world *)opaque)->drained++;
}

static void on_power(void *opaque)
{
	((struct world *)opaque)->power++;
}

static void on_stop(void *opaque)
{
	((struct world *)opaque)->stop++;
}

static void on_reset(void *opaque)
{
	((struct world *)opaque)->reset++;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;

	w->room = sizeof(w->in);
	fflush(stdout);
	w->saved[0] = dup(0);
	w->saved[1] = dup(1);
	*state = w;
	return loop_new(&w->loop, &err);
}

static void put_back(struct world *w)
{
	dup2(w->saved[0], 0);
	dup2(w->saved[1], 1);
}

static int teardown(void **state)
{
	struct world *w = *state;

	put_back(w);
	close(w->saved[0]);
	close(w->saved[1]);
	loop_free(w->loop);
	free(w);
	return 0;
}

static int open_chr(struct world *w, const char *target, struct chardev **chr,
		    struct error *err)
{
	const struct chardev_client client = { on_take, on_input, on_drained,
					       w };
	const struct chardev_escape escape = { on_power, on_stop, on_reset, w };

	return chardev_open(chr, w->loop, target, &client, &escape, err);
}

static struct chardev *must_open(struct world *w, const char *target)
{
	struct chardev *chr = NULL;
	struct error err;

	if (open_chr(w, target, &chr, &err))
		fail_msg("%s", err.text);
	return chr;
}

static void end(void *loop)
{
	loop_stop(loop);
}

static void pump(struct world *w, unsigned int ms)
{
	struct loop_timer t = { .fn = end, .opaque = w->loop };

	loop_timer_arm(w->loop, &t, loop_now() + ms * 1000000ULL);
	assert_int_equal(loop_run(w->loop), 0);
}

/* Standard input and output become pipes; ours are the other ends. */
static void use_pipes(int *to_stdin, int *from_stdout)
{
	int a[2], b[2];

	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	dup2(a[0], 0);
	dup2(b[1], 1);
	close(a[0]);
	close(b[1]);
	*to_stdin = a[1];
	*from_stdout = b[0];
}

static size_t read_some(int fd, char *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 60) <= 0)
		return 0;
	n = read(fd, buf, len);
	return n > 0 ? (size_t)n : 0;
}

static void test_targets(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	struct error err;

	chr = must_open(w, "none");
	assert_true(chardev_write(chr, "x", 1));
	chardev_poll_input(chr);
	pump(w, 1);
	chardev_close(chr);
	assert_int_equal(open_chr(w, "nonsense", &chr, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	assert_int_equal(open_chr(w, "file:", &chr, &err), -EINVAL);
	assert_int_equal(open_chr(w, "file:/nowhere/at/all", &chr, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

static void test_file(void **state)
{
	char target[] = "file:/tmp/vireo-test-XXXXXX", buf[16] = "";
	struct world *w = *state;
	struct chardev *chr;
	int fd = mkstemp(target + 5);

	chr = must_open(w, target);
	assert_true(chardev_write(chr, "abc", 3));
	pump(w, 60);
	assert_int_equal(read(fd, buf, sizeof(buf)), 3);
	/* What was not written yet goes out on closing. */
	assert_true(chardev_write(chr, "defg", 4));
	chardev_close(chr);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "defg", 4);
	close(fd);
	unlink(target + 5);
}

static void test_pipes(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	char buf[16];
	int in, out;

	use_pipes(&in, &out);
	chr = must_open(w, "stdio");
	assert_int_equal(fcntl(0, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(1, F_GETFL) & O_NONBLOCK, 0);
	w->room = 0;
	assert_int_equal(write(in, "\001xhello", 7), 7);
	pump(w, 60);
	assert_int_equal(w->in_len, 0);
	w->room = 3;
	chardev_poll_input(chr);
	pump(w, 60);
	/* No escape key where there is no terminal. */
	assert_int_equal(w->in_len, 3);
	assert_memory_equal(w->in, "\001xh", 3);
	assert_int_equal(w->stop, 0);
	w->room = 100;
	chardev_poll_input(chr);
	pump(w, 60);
	assert_int_equal(w->in_len, 7);
	close(in);
	pump(w, 60);

	assert_true(chardev_write(chr, "a", 1));
	assert_true(chardev_write(chr, "b", 1));
	assert_int_equal(read_some(out, buf, sizeof(buf)), 0);
	pump(w, 60);
	assert_int_equal(read_some(out, buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "ab", 2);
	chardev_close(chr);
	put_back(w);
	close(out);
}

static uint8_t pattern(unsigned int n)
{
	return (uint8_t)(n * 7 ^ n >> 8 ^ n >> 16);
}

/* A reader that stops: the device is held back and nothing is lost. */
static void test_high_water(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	unsigned int i, sent = 0, got = 0;
	uint8_t buf[4096];
	size_t n;
	int in, out;

	use_pipes(&in, &out);
	chr = must_open(w, "stdio");
	while (chardev_write(chr, &(uint8_t){ pattern(sent) }, 1)) {
		sent++;
		if (sent % 1000 == 0)
			pump(w, 1);
		assert_true(sent < 1000000);
	}
	sent++;
	assert_true(sent > CHARDEV_HIGH_WATER);
	for (i = 0; i < 20000; i++, sent++)
		assert_false(
			chardev_write(chr, &(uint8_t){ pattern(sent) }, 1));
	pump(w, 60);
	assert_int_equal(w->drained, 0);
	do {
		n = read_some(out, (char *)buf, sizeof(buf));
		for (i = 0; i < n; i++, got++)
			if (buf[i] != pattern(got))
				fail_msg("byte %u is wrong", got);
		pump(w, 1);
	} while (n);
	assert_int_equal(got, sent);
	assert_int_equal(w->drained, 1);
	assert_true(chardev_write(chr, "x", 1));

	/* A guest that never listens is bounded. */
	for (i = 0; i < 1000000; i++)
		chardev_write(chr, buf, 100);
	chardev_close(chr);
	put_back(w);
	close(in);
	close(out);
}

static void test_reader_gone(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	unsigned int i;
	int in, out;

	use_pipes(&in, &out);
	chr = must_open(w, "stdio");
	close(out);
	for (i = 0; i < 300; i++) {
		assert_true(chardev_write(chr, w->in, 1000));
		pump(w, 1);
	}
	chardev_close(chr);
	put_back(w);
	close(in);
}

/* A terminal: raw while open, with the escape key. */
static void test_terminal(void **state)
{
	struct world *w = *state;
	struct chardev *chr, *second;
	struct termios before, during, after;
	char buf[1024] = "";
	struct error err;
	int master, slave;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(master >= 0);
	grantpt(master);
	unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	dup2(slave, 0);
	dup2(slave, 1);
	tcgetattr(slave, &before);
	chr = must_open(w, "stdio");
	tcgetattr(slave, &during);
	assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	assert_int_equal(open_chr(w, "stdio", &second, &err), -EBUSY);
	tcgetattr(slave, &during);
	assert_int_equal(during.c_lflag & ICANON, 0);

	assert_int_equal(write(master, "a\003\001\001b\001", 6), 6);
	pump(w, 60);
	assert_int_equal(write(master, "p", 1), 1);
	pump(w, 60);
	assert_int_equal(w->in_len, 4);
	assert_memory_equal(w->in, "a\003\001b", 4);
	assert_int_equal(w->power, 1);

	/* Also when the guest takes nothing any more. */
	w->room = 0;
	assert_int_equal(write(master, "c\001x\001rd\001h\001z", 10), 10);
	pump(w, 60);
	assert_int_equal(w->stop, 1);
	assert_int_equal(w->reset, 1);
	assert_int_equal(w->in_len, 4);
	pump(w, 60);
	assert_true(read_some(master, buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "power button"));
	w->room = 1;
	chardev_poll_input(chr);
	pump(w, 60);
	w->room = 10;
	chardev_poll_input(chr);
	pump(w, 60);
	assert_int_equal(w->in_len, 6);
	assert_memory_equal(w->in + 4, "cd", 2);

	tcsetattr(slave, TCSANOW, &before);
	terminal_resume();
	tcgetattr(slave, &during);
	assert_int_equal(during.c_lflag & ICANON, 0);
	chardev_close(chr);
	tcgetattr(slave, &after);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	put_back(w);
	close(slave);
	close(master);
}

static void test_pty(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	char buf[64];
	int i, fd, fds;

	chr = must_open(w, "pty");
	assert_memory_equal(chardev_label(chr), "pty /dev/pts/", 13);
	/* Nobody there: output is dropped, and the loop sleeps. */
	for (i = 0; i < 300; i++) {
		assert_true(chardev_write(chr, w->in, 1000));
		pump(w, 1);
	}
	for (i = 0; i < 2; i++) {
		fd = open(chardev_label(chr) + 4, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		pump(w, 600);
		assert_int_equal(write(fd, "in\r", 3), 3);
		assert_true(chardev_write(chr, "out\n", 4));
		pump(w, 60);
		assert_int_equal(w->in_len, 3);
		assert_memory_equal(w->in, "in\r", 3);
		assert_int_equal(read_some(fd, buf, sizeof(buf)), 4);
		assert_memory_equal(buf, "out\n", 4);
		w->in_len = 0;
		close(fd);
		pump(w, 60);
	}
	fds = open("/dev/null", O_RDONLY);
	chardev_close(chr);
	/* Both descriptors are gone. */
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd < fds);
	close(fd);
	close(fds);
}

static void test_empty_input(void **state)
{
	struct world *w = *state;
	struct chardev *chr;
	int fd = open("/dev/null", O_RDWR);
	uint64_t before;

	dup2(fd, 0);
	dup2(fd, 1);
	chr = must_open(w, "stdio");
	chardev_write(chr, "x", 1);
	before = loop_now();
	pump(w, 10);
	assert_true(loop_now() - before >= 10000000);
	chardev_close(chr);

	close(0);
	chr = must_open(w, "stdio");
	chardev_poll_input(chr);
	pump(w, 60);
	chardev_close(chr);
	put_back(w);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_high_water, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reader_gone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_input, setup,
						teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

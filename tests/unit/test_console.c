// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio-console, on a pseudo-terminal that chardev.c makes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "virtio_rig.h"
#include "virtio/virtio_devices.h"

#define RX 0
#define TX 1
#define RX_BUF (RIG_DATA + 0x1000)

static struct rig *start(const char *target)
{
	const struct vcon_config cfg = { (char *)target };
	struct rig *rig = rig_new(&virtio_console_class, &cfg);

	rig_drive(rig, 0);
	return rig;
}

static void send(struct rig *rig, const char *text)
{
	const struct rig_buf buf = { RIG_DATA, (uint32_t)strlen(text), false };

	memcpy(rig_mem(rig, RIG_DATA, buf.len), text, buf.len);
	rig_add(rig, TX, &buf, 1);
}

static void test_output(void **state)
{
	char path[] = "/tmp/vireo-test-con-XXXXXX", target[64], back[64] = "";
	const struct rig_buf split[] = {
		{ RIG_DATA, 3, false },
		{ RIG_DATA + 100, 4, false },
		{ RIG_DATA + 200, 9, true }, /* of no meaning here */
	};
	struct vring_used_elem elem = { 0 };
	struct rig *rig;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(target, sizeof(target), "file:%s", path);
	rig = start(target);
	send(rig, "hello ");
	rig_kick(rig, TX);
	assert_int_equal(rig_used(rig, TX, &elem), 1);
	assert_int_equal(elem.len, 0);
	assert_int_equal(rig->msis[TX], 1);
	memcpy(rig_mem(rig, RIG_DATA, 3), "wor", 3);
	memcpy(rig_mem(rig, RIG_DATA + 100, 4), "ld!\n", 4);
	rig_add(rig, TX, split, 3);
	rig_kick(rig, TX);
	assert_int_equal(rig_used(rig, TX, NULL), 1);
	rig_free(rig);
	assert_int_equal(pread(fd, back, sizeof(back), 0), 13);
	assert_string_equal(back, "hello world!\n");
	close(fd);
	unlink(path);
}

/* One chain of 1 MiB, the same bytes in each descriptor, and a slow reader. */
static void test_slow_output(void **state)
{
	char dir[] = "/tmp/vireo-test-con-XXXXXX", path[64], target[80];
	struct rig_buf bufs[RIG_NUM];
	static char sink[65536];
	unsigned int i, rounds;
	size_t total = 0;
	struct rig *rig;
	ssize_t n;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK);
	assert_true(fd >= 0);
	snprintf(target, sizeof(target), "file:%s", path);
	rig = start(target);

	memset(rig_mem(rig, RIG_DATA, 65536), 'x', 65536);
	for (i = 0; i < RIG_NUM; i++)
		bufs[i] = (struct rig_buf){ RIG_DATA, 65536, false };
	rig_add(rig, TX, bufs, RIG_NUM);
	rig_kick(rig, TX);
	for (rounds = 0; rounds < 200 && total < RIG_NUM * 65536; rounds++) {
		/* It comes back only when the chardev has all of it. */
		if (total < 65536)
			assert_int_equal(rig_used(rig, TX, NULL), 0);
		n = read(fd, sink, sizeof(sink));
		for (i = 0; n > 0 && i < (unsigned int)n; i++)
			assert_int_equal(sink[i], 'x');
		total += n > 0 ? (size_t)n : 0;
		rig_run(rig);
	}
	assert_int_equal(total, RIG_NUM * 65536);
	assert_int_equal(rig_used(rig, TX, NULL), 1);
	rig_free(rig);
	close(fd);
	unlink(path);
	rmdir(dir);
}

/* The other side of the terminal that the device has made. */
static int open_pty(void)
{
	struct termios raw;
	unsigned int nr;
	char path[32];
	int fd;

	for (fd = 3; fd < 64; fd++)
		if (!ioctl(fd, TIOCGPTN, &nr))
			break;
	assert_true(fd < 64);
	snprintf(path, sizeof(path), "/dev/pts/%u", nr);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(tcgetattr(fd, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fd, TCSANOW, &raw), 0);
	return fd;
}

static void run_until_used(struct rig *rig, unsigned int q)
{
	const struct vring_used *used = rig_mem(rig, RIG_USED(q), 6);
	unsigned int i;

	/* A terminal that nobody had open is looked at twice a second. */
	for (i = 0; i < 200 && used->idx == rig->used_seen[q]; i++)
		rig_run(rig);
}

static void test_input(void **state)
{
	const struct rig_buf small[] = {
		{ RX_BUF, 4, true },
		{ RX_BUF + 0x100, 4, true },
	};
	struct vring_used_elem elem = { 0 };
	struct rig *rig = start("pty");
	char back[8] = "";
	int fd = open_pty();

	(void)state;
	/* Nothing is taken without room. */
	assert_int_equal(write(fd, "0123456789AB", 12), 12);
	rig_run(rig);
	assert_int_equal(rig_used(rig, RX, NULL), 0);

	rig_add(rig, RX, small, 2);
	rig_kick(rig, RX);
	run_until_used(rig, RX);
	assert_int_equal(rig_used(rig, RX, &elem), 1);
	assert_int_equal(elem.len, 8);
	assert_memory_equal(rig_mem(rig, RX_BUF, 4), "0123", 4);
	assert_memory_equal(rig_mem(rig, RX_BUF + 0x100, 4), "4567", 4);
	assert_int_equal(rig->msis[RX], 1);

	rig_add(rig, RX, small, 1);
	rig_kick(rig, RX);
	run_until_used(rig, RX);
	assert_int_equal(rig_used(rig, RX, &elem), 1);
	assert_int_equal(elem.len, 4);
	assert_memory_equal(rig_mem(rig, RX_BUF, 4), "89AB", 4);

	/* A buffer that was at hand is not used after a reset. */
	rig_add(rig, RX, small, 1);
	rig_kick(rig, RX);
	rig_drive(rig, 0);
	assert_int_equal(write(fd, "Z", 1), 1);
	rig_run(rig);
	assert_int_equal(rig_used(rig, RX, NULL), 0);
	rig_add(rig, RX, small, 1);
	rig_kick(rig, RX);
	run_until_used(rig, RX);
	assert_int_equal(rig_used(rig, RX, &elem), 1);
	assert_int_equal(elem.len, 1);
	assert_memory_equal(rig_mem(rig, RX_BUF, 1), "Z", 1);

	send(rig, "out");
	rig_kick(rig, TX);
	assert_int_equal(rig_used(rig, TX, NULL), 1);
	rig_run(rig);
	assert_int_equal(read(fd, back, sizeof(back)), 3);
	assert_string_equal(back, "out");
	close(fd);
	rig_free(rig);
}

static void test_bad_buffer(void **state)
{
	const struct rig_buf bad = { RX_BUF, 4, false };
	struct rig *rig = start("pty");
	unsigned int i;
	int fd = open_pty();

	(void)state;
	rig_add(rig, RX, &bad, 1);
	rig_kick(rig, RX);
	assert_int_equal(write(fd, "abc", 3), 3);
	for (i = 0; i < 200 && !(rig_status(rig) & VIRTIO_CONFIG_S_NEEDS_RESET);
	     i++)
		rig_run(rig);
	assert_true(rig_status(rig) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close(fd);
	rig_free(rig);
}

static void test_bad_target(void **state)
{
	const struct vcon_config cfg = { (char *)"file:/nonexistent/x" };
	struct error err = { "" };
	struct rig *rig;

	(void)state;
	assert_true(rig_init(&rig, &virtio_console_class, &cfg, &err) < 0);
	assert_int_not_equal(err.text[0], 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_slow_output),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_bad_buffer),
		cmocka_unit_test(test_bad_target),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}

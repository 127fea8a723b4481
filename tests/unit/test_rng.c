// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "virtio_rig.h"
#include "virtio/virtio_devices.h"

static const struct rig_buf buf64 = { RIG_DATA, 64, true };

static struct rig *start(const char *source)
{
	const struct rng_config cfg = { true, (char *)source };
	struct rig *rig = rig_new(&virtio_rng_class, &cfg);

	rig_drive(rig, 0);
	return rig;
}

static void test_kernel(void **state)
{
	const struct rig_buf big = { RIG_DATA + 0x1000, 0x10000, true };
	const uint8_t zero[64] = { 0 };
	struct vring_used_elem elem = { 0 };
	struct rig *rig = start(NULL);
	uint8_t first[64];

	(void)state;
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 64);
	memcpy(first, rig_mem(rig, RIG_DATA, 64), 64);
	assert_memory_not_equal(first, zero, 64);
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	assert_memory_not_equal(first, rig_mem(rig, RIG_DATA, 64), 64);

	/* A large request is answered in part. */
	rig_used(rig, 0, NULL);
	rig_add(rig, 0, &big, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 4096);
	assert_memory_equal(rig_mem(rig, RIG_DATA + 0x1000 + 4096, 64), zero,
			    64);
	rig_free(rig);
}

/* Buffers that are read-only have no room. */
static void test_no_room(void **state)
{
	const struct rig_buf bad = { RIG_DATA, 64, false };
	struct vring_used_elem elem = { 0 };
	struct rig *rig = start("/dev/urandom");

	(void)state;
	rig_add(rig, 0, &bad, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 0);
	rig_free(rig);
}

/* A source that has nothing yet is waited for, across stop and start. */
static void test_fifo(void **state)
{
	char dir[] = "/tmp/vireo-test-rng-XXXXXX", path[64];
	struct vring_used_elem elem = { 0 };
	struct rig *rig;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK);
	assert_true(fd >= 0);

	rig = start(path);
	rig_add(rig, 0, &buf64, 1);
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 3);
	assert_memory_equal(rig_mem(rig, RIG_DATA, 3), "abc", 3);

	devices_stop(&rig->vm);
	assert_int_equal(write(fd, "de", 2), 2);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	devices_start(&rig->vm);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 2);

	/* A reset forgets who waited. */
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	rig_drive(rig, 0);
	assert_int_equal(write(fd, "fghi", 4), 4);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, &elem), 1);
	assert_int_equal(elem.len, 4);

	/* At its end nobody is told anything, and the loop is quiet. */
	close(fd);
	rig_add(rig, 0, &buf64, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	rig_free(rig);
	unlink(path);
	rmdir(dir);
}

static void test_bad_source(void **state)
{
	const struct rng_config cfg = { true, (char *)"/nonexistent/rng" };
	struct error err = { "" };
	struct rig *rig;

	(void)state;
	assert_int_equal(rig_init(&rig, &virtio_rng_class, &cfg, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/rng"));
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_bad_source),
	};

	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}

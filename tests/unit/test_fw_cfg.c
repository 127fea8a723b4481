// SPDX-License-Identifier: GPL-2.0-or-later
/* fw_cfg through its ports, as guests use it and as they should not. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus.h"
#include "config.h"
#include "device/devices.h"
#include "device/fw_cfg.h"
#include "error.h"
#include "vm.h"

#define RAM_SIZE (4ULL << 20)
#define CMD 0x1000
#define BUF 0x2000

struct fixture {
	struct config cfg;
	struct vm vm;
	struct device *dev;
	struct bus_hint hint;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	assert_non_null(f);
	f->cfg.cpus = 3;
	f->cfg.uuid = "01234567-89ab-cdef-0123-456789abcdef";
	f->cfg.memory.size = RAM_SIZE;
	f->vm.cfg = &f->cfg;
	bus_init(&f->vm.pio, BUS_PIO);
	assert_int_equal(mem_init(&f->vm.mem, &mem_backend_memfd,
				  &f->cfg.memory, &err),
			 0);
	f->dev = calloc(1, fw_cfg_class.size);
	assert_non_null(f->dev);
	f->dev->vm = &f->vm;
	f->dev->class = &fw_cfg_class;
	strcpy(f->dev->id, "fw_cfg0");
	pthread_mutex_init(&f->dev->lock, NULL);
	assert_int_equal(fw_cfg_class.realize(f->dev, NULL, &err), 0);
	fw_cfg_class.reset(f->dev);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fw_cfg_class.unrealize(f->dev);
	pthread_mutex_destroy(&f->dev->lock);
	free(f->dev);
	mem_destroy(&f->vm.mem);
	bus_destroy(&f->vm.pio);
	free(f);
	return 0;
}

static uint64_t in(struct fixture *f, uint16_t port, unsigned int size)
{
	return bus_read(&f->vm.pio, &f->hint, port, size);
}

static void out(struct fixture *f, uint16_t port, unsigned int size,
		uint64_t val)
{
	bus_write(&f->vm.pio, &f->hint, port, size, val);
}

static uint64_t item(struct fixture *f, uint16_t key, unsigned int size)
{
	uint64_t val = 0;
	unsigned int i;

	out(f, 0x510, 2, key);
	for (i = 0; i < size; i++)
		val |= in(f, 0x511, 1) << 8 * i;
	return val;
}

/* The DMA command in guest memory at CMD; returns its control word. */
static uint32_t dma(struct fixture *f, uint32_t control, uint32_t len,
		    uint64_t addr)
{
	uint32_t cmd[4] = {
		htobe32(control),
		htobe32(len),
		htobe32((uint32_t)(addr >> 32)),
		htobe32((uint32_t)addr),
	};
	uint32_t done;

	assert_int_equal(mem_write(&f->vm.mem, CMD, cmd, sizeof(cmd)), 0);
	out(f, 0x514, 4, 0);
	out(f, 0x518, 4, htobe32(CMD));
	assert_int_equal(mem_read(&f->vm.mem, CMD, &done, sizeof(done)), 0);
	return be32toh(done);
}

/* Looks @name up in the directory; returns its key, or 0. */
static uint16_t lookup(struct fixture *f, const char *name, uint32_t *size)
{
	uint32_t i, n = be32toh((uint32_t)item(f, 0x19, 4));
	uint8_t entry[64];
	unsigned int b;

	for (i = 0; i < n; i++) {
		for (b = 0; b < sizeof(entry); b++)
			entry[b] = (uint8_t)in(f, 0x511, 1);
		if (strcmp((char *)entry + 8, name))
			continue;
		*size = (uint32_t)entry[0] << 24 | (uint32_t)entry[1] << 16 |
			(uint32_t)entry[2] << 8 | entry[3];
		return (uint16_t)(entry[4] << 8 | entry[5]);
	}
	return 0;
}

static void test_items(void **state)
{
	struct fixture *f = *state;

	/* Selected by reset. */
	assert_int_equal(in(f, 0x511, 1), 'Q');
	assert_int_equal(item(f, 0, 4), 0x554d4551); /* "QEMU" */
	assert_int_equal(in(f, 0x511, 1), 0);	     /* past its end */
	assert_int_equal(item(f, 1, 4), 3);
	assert_int_equal(item(f, 2, 8), 0xefcdab8967452301);
	assert_int_equal(in(f, 0x511, 1), 0x01);
	assert_int_equal(item(f, 3, 8), RAM_SIZE);
	assert_int_equal(item(f, 5, 2), 3);
	assert_int_equal(item(f, 0x0f, 2), 3);
	assert_int_equal(item(f, 0x7777, 4), 0); /* no such item */
	/* "QEMU CFG" lies in the DMA register in this order. */
	assert_int_equal(in(f, 0x514, 4), 0x554d4551);
	assert_int_equal(in(f, 0x518, 4), 0x47464320);
	assert_int_equal(in(f, 0x519, 1), 'C');
}

static void test_files(void **state)
{
	struct fixture *f = *state;
	struct error err;
	char name[80] = { 0 };
	uint32_t size;
	uint16_t key;
	int i;

	key = lookup(f, "etc/e820", &size);
	assert_true(key >= 0x20);
	assert_int_equal(size % 20, 0);
	/* The first entry: RAM from 0 to 640 KiB. */
	assert_int_equal(item(f, key, 8), 0);
	for (i = 0, size = 0; i < 4; i++)
		size |= (uint32_t)in(f, 0x511, 1) << 8 * i;
	assert_int_equal(size, 0xa0000);

	assert_int_equal(lookup(f, "opt/x", &size), 0);
	assert_int_equal(fw_cfg_add_file(f->dev, "opt/x", "hello", 5, &err), 0);
	key = lookup(f, "opt/x", &size);
	assert_int_equal(size, 5);
	assert_int_equal(item(f, key, 6), 0x006f6c6c6568);

	assert_int_equal(fw_cfg_add_file(f->dev, "opt/x", "", 0, &err),
			 -EEXIST);
	assert_int_equal(fw_cfg_add_file(f->dev, "", "", 0, &err), -EINVAL);
	memset(name, 'n', 56);
	assert_int_equal(fw_cfg_add_file(f->dev, name, "", 0, &err), -EINVAL);
	name[55] = 0;
	for (i = 0; i < 100; i++) {
		name[0] = (char)(i + 1);
		if (fw_cfg_add_file(f->dev, name, "z", 1, &err))
			break;
		key = lookup(f, name, &size);
		assert_int_equal(item(f, key, 1), 'z');
	}
	assert_in_range(i, 8, 64);
	assert_int_equal(fw_cfg_add_file(f->dev, "q", "", 0, &err), -ENOSPC);
}

static void test_dma(void **state)
{
	struct fixture *f = *state;
	uint8_t *buf = mem_ptr(&f->vm.mem, BUF, 64, MEM_WRITE);

	memset(buf, 0xff, 64);
	assert_int_equal(dma(f, 0x0a, 6, BUF), 0); /* select 0, read */
	assert_memory_equal(buf, "QEMU\0\0\xff", 7);
	/* Select, skip, then read on; skipping stops at the end. */
	assert_int_equal(dma(f, 0x0c, 2, 0), 0);
	assert_int_equal(dma(f, 0x02, 3, BUF), 0);
	assert_memory_equal(buf, "MU\0", 3);
	assert_int_equal(dma(f, 0x0c, 0xffffffff, 0), 0);
	assert_int_equal(dma(f, 0x02, 2, BUF), 0);
	assert_memory_equal(buf, "\0\0", 2);
	/* One 64-bit write starts it, too. */
	assert_int_equal(dma(f, 0x08, 0, 0), 0);
	memcpy(mem_ptr(&f->vm.mem, CMD, 16, MEM_WRITE),
	       "\0\0\0\2\0\0\0\4\0\0\0\0\0\0\x20\0", 16);
	out(f, 0x514, 8, htobe64(CMD));
	assert_memory_equal(buf, "QEMU", 4);
}

static void test_hostile(void **state)
{
	static const struct {
		uint32_t control, len;
		uint64_t addr;
	} bad[] = {
		{ 0x0a, 4, RAM_SIZE - 3 }, { 0x0a, 4, RAM_SIZE },
		{ 0x0a, 0xffffffff, 0 },   { 0x0a, 16, UINT64_MAX - 7 },
		{ 0x0a, 1, 1ULL << 63 },   { 0x18, 4, BUF }, /* write */
	};
	struct fixture *f = *state;
	uint8_t *last = mem_ptr(&f->vm.mem, RAM_SIZE - 4, 4, MEM_WRITE);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dma(f, bad[i].control, bad[i].len,
				     bad[i].addr),
				 1);
	assert_memory_equal(last, "\0\0\0\0", 4);

	/* A read with no bytes needs no memory. */
	assert_int_equal(dma(f, 0x0a, 0, UINT64_MAX), 0);

	/* Commands outside of RAM or on its edge are dropped. */
	out(f, 0x514, 4, 0xffffffff);
	out(f, 0x518, 4, 0xffffffff);
	out(f, 0x514, 4, 0);
	out(f, 0x518, 4, htobe32(RAM_SIZE - 15));
	assert_memory_equal(last, "\0\0\0\0", 4);

	/* Accesses that mean nothing. */
	out(f, 0x510, 1, 1);
	out(f, 0x511, 1, 1);
	out(f, 0x515, 4, 1);
	assert_int_equal(in(f, 0x510, 1), 0xff);
	assert_int_equal(in(f, 0x51b, 1), 'G');
	assert_int_equal(item(f, 0, 4), 0x554d4551);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_items, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	};

	return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}

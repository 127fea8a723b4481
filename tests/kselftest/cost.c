// SPDX-License-Identifier: GPL-2.0
/*
 * What an access costs the host, in nanoseconds of its clock; in a lab whose
 * clock counts instructions, in instructions.  A test of nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common.h"
#include "guest.h"

#define N 200
#define ROUNDS 20

static struct guest guest;

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long run(enum guest_kind kind, int width, uint64_t addr, int n)
{
	long long start;

	guest_reset(&guest);
	guest_add(&guest, 0, kind, width, addr, 0)->repeat = n;
	start = now();
	if (guest_run(&guest, 0))
		exit(1);
	return now() - start;
}

/* The least of several rounds: the one that least interrupted. */
static long long least(enum guest_kind kind, int width, uint64_t addr, int n)
{
	long long t, min = run(kind, width, addr, n);
	int i;

	for (i = 1; i < ROUNDS; i++) {
		t = run(kind, width, addr, n);
		if (t < min)
			min = t;
	}
	return min;
}

/* The difference of n and 2n takes out what is not in the loop. */
static void measure(const char *what, enum guest_kind kind, int width,
		    uint64_t addr)
{
	long long once = least(kind, width, addr, N);

	printf("%-24s %lld\n", what,
	       (least(kind, width, addr, 2 * N) - once) / N);
}

int main(void)
{
	int dev = vireo_open(), ret, vm;
	int event = eventfd(0, EFD_NONBLOCK);
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_CONST, .offset = 4, .len = 4,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_EVENT, .offset = 8, .len = 4, .fd = event },
		{ .type = VIREO_RULE_POST, .offset = 12, .len = 4 },
		{ .type = VIREO_RULE_CLOCK, .offset = 20, .len = 4,
		  .value = 3579545, .mask = 0xffffff },
		{ .type = VIREO_RULE_CLEAR, .offset = 24, .len = 1, .fd = -1,
		  .flags = VIREO_RULE_READ_CLEAR },
		{ .type = VIREO_RULE_INDEXED, .offset = 28, .len = 4,
		  .index_mask = 0xfc },
		{ .type = VIREO_RULE_SHADOW, .offset = 32, .len = 1,
		  .flags = VIREO_RULE_WRITE_THROUGH, .mask = 0x7f },
	};
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, 0x500, 64, rules,
					      ARRAY_LEN(rules));

	ret = guest_create(&guest, 1);
	vm = vireo_vm_open(dev, guest.vm, "cost");
	if (ret || dev < 0 || vm < 0 || guest_attach(&guest, dev, vm)) {
		fprintf(stderr, "cost: no guest or no /dev/vireo\n");
		return 4;
	}
	add.ring_entries = 16384;
	add.ring_fd = event;
	if (io_add(vm, &add) < 0)
		return 1;
	add.bus = VIREO_BUS_MMIO;
	add.addr = 0x10000000;
	if (io_add(vm, &add) < 0)
		return 1;

	/* Until what making the VM set off is done. */
	least(GUEST_IN, 1, 0x500, 4 * N);
	measure("pio_read_shadow", GUEST_IN, 1, 0x500);
	measure("pio_read_const", GUEST_IN, 4, 0x504);
	measure("pio_read_clock", GUEST_IN, 4, 0x514);
	measure("pio_read_clear", GUEST_IN, 1, 0x518);
	measure("pio_read_indexed", GUEST_IN, 4, 0x51c);
	measure("pio_write_shadow", GUEST_OUT, 1, 0x500);
	measure("pio_write_bits", GUEST_OUT, 1, 0x520);
	measure("pio_write_drop", GUEST_OUT, 1, 0x504);
	measure("pio_write_event", GUEST_OUT, 1, 0x508);
	measure("pio_write_post", GUEST_OUT, 1, 0x50c);
	measure("pio_read_passed", GUEST_IN, 1, 0x510);
	measure("pio_write_passed", GUEST_OUT, 1, 0x510);
	measure("mmio_read_shadow", GUEST_READ, 4, 0x10000000);
	measure("mmio_write_shadow", GUEST_WRITE, 4, 0x10000000);
	measure("mmio_write_post", GUEST_WRITE, 4, 0x1000000c);
	measure("mmio_read_passed", GUEST_READ, 4, 0x10000010);
	measure("pio_read_no_region", GUEST_IN, 1, 0x600);
	measure("mmio_read_no_region", GUEST_READ, 4, 0x10001000);
	return 0;
}

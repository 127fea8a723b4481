// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every request that a virtio disk (virtio 1.2, 5.2) takes, three times, with
 * eight writes at once; the device is in slot 1.  msix=1 has it send messages,
 * which nobody waits for.  rng=1: it is no disk, but random bytes are asked for.
 * stay=1: at the end, all is left as it is; again=1: it never comes to an end.
 */
#include "virtio.h"

#define DISK DEVFN(1, 0)
#define T_IN 0
#define T_OUT 1
#define T_FLUSH 4
#define T_GET_ID 8
#define T_DISCARD 11
#define T_WRITE_ZEROES 13
/* FLUSH, DISCARD, WRITE_ZEROES */
#define FEATURES (1U << 9 | 1U << 13 | 1U << 14)
#define RING 64
#define AT_ONCE 8

static struct {
	struct desc desc[RING] __attribute__((aligned(4096)));
	struct {
		uint16_t flags, idx, ring[RING];
	} avail __attribute__((aligned(4096)));
	volatile struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[RING];
	} used __attribute__((aligned(4096)));
} queue;

static struct {
	struct {
		uint32_t type, prio;
		uint64_t sector;
	} head;
	volatile uint8_t status;
} requests[AT_ONCE];

static uint8_t data[AT_ONCE][4096] __attribute__((aligned(4096)));
static uint32_t pending, fails;

static void start(uint32_t msix)
{
	virtio_begin(DISK, msix, 1, FEATURES);
	virtio_queue_on(0, RING, msix ? 1 : NO_VECTOR, queue.desc, &queue.avail,
			&queue.used);
	virtio_driver_ok();
}

static void describe(uint32_t n, volatile void *addr, uint32_t len,
		     uint16_t flags)
{
	queue.desc[n].addr = (uintptr_t)addr;
	queue.desc[n].len = len;
	queue.desc[n].flags = flags;
	queue.desc[n].next = (uint16_t)(n + 1);
}

static void add(uint32_t type, uint64_t sector, uint32_t len)
{
	uint32_t i = pending++, d = i * 3;
	uint16_t to_us = type == T_IN || type == T_GET_ID ? F_WRITE : 0;

	requests[i].head.type = type;
	requests[i].head.sector = sector;
	requests[i].status = 0xff;
	describe(d++, &requests[i].head, 16, F_NEXT);
	if (len)
		describe(d++, data[i], len, F_NEXT | to_us);
	describe(d, &requests[i].status, 1, F_WRITE);
	queue.avail.ring[queue.avail.idx % RING] = (uint16_t)(i * 3);
	__asm__ volatile("" : : : "memory");
	queue.avail.idx++;
}

/* By one doorbell and by the other. */
static void wait(void)
{
	static uint32_t rings;
	uint64_t end;

	__asm__ volatile("lock; addl $0, (%%esp)" : : : "memory");
	if (rings++ % 2)
		set16(NOTIFY, 0);
	else
		outw(BELL, 0);
	while (queue.used.idx != queue.avail.idx)
		__asm__ volatile("pause");
	/* Until it has told, too. */
	for (end = rdtsc() + 1000000; rdtsc() < end;)
		;
	get32(ISR);
	while (pending)
		if (requests[--pending].status)
			fails++;
}

static void one(uint32_t type, uint64_t sector, uint32_t len)
{
	add(type, sector, len);
	wait();
}

static void range(uint32_t type)
{
	uint32_t *segment = (uint32_t *)data[0];

	segment[0] = 8; /* sector */
	segment[1] = 0;
	segment[2] = 8; /* sectors */
	segment[3] = 0;
	one(type, 0, 16);
}

static void random_bytes(void)
{
	pending = 1;
	describe(0, data[0], 16, F_WRITE);
	queue.avail.idx = 1;
	wait();
}

static void disk(uint32_t again)
{
	uint32_t round, i;

	for (round = 0; again || round < 3; round++) {
		for (i = 0; i < AT_ONCE; i++) {
			data[i][7] = (uint8_t)(i + 1);
			add(T_OUT, i * 8, sizeof(data[i]));
		}
		wait();
		one(T_FLUSH, 0, 0);
		one(T_IN, 16, sizeof(data[0]));
		if (data[0][7] != 3)
			fails++;
		one(T_GET_ID, 0, 20);
		range(T_DISCARD);
		range(T_WRITE_ZEROES);
		one(T_IN, 8, sizeof(data[0]));
		if (data[0][7])
			fails++;
	}
}

void main(const struct start_info *info)
{
	start(option(info, "msix", 0));
	if (option(info, "rng", 0))
		random_bytes();
	else
		disk(option(info, "again", 0));
	print(fails ? "FAIL\n" : "PASS\n");
	if (option(info, "stay", 0)) {
		/* The divisor is where the data was. */
		outb(UART + 3, 0x83);
		for (;;)
			__asm__ volatile("hlt");
	}
	set8(BAR + 0x14, 0);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames by a virtio network card (virtio 1.2, 5.1) in slot 1, which its other end
 * sends back: one after the other, and each is waited for.  echo=0: only that they
 * are gone.  mq=1: two pairs of queues are asked for first.  msix=1 has it send messages,
 * which nobody waits for.  rounds=N: so many, 0: without end.
 */
#include "virtio.h"

#define NIC DEVFN(1, 0)
/* MAC, MRG_RXBUF, CTRL_VQ, MQ; and the host sums what comes, if it can */
#define FEATURES (1U << 5 | 1U << 15 | 1U << 17)
#define F_GUEST_CSUM (1U << 1)
#define F_MQ (1U << 22)
#define RING 16
#define HEADER 12
#define FRAME 100
#define ROOM 2048

enum { RX, TX, CTRL, QUEUES };

static struct queue {
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
	uint32_t number; /* by which it is notified */
} queues[QUEUES];

static uint8_t room[ROOM], out[HEADER + FRAME];
static volatile uint8_t command[8];

static void queue_on(struct queue *q, uint32_t number, uint16_t vector)
{
	q->number = number;
	virtio_queue_on(number, RING, vector, q->desc, &q->avail, &q->used);
}

static void start(uint32_t msix)
{
	uint32_t pairs = 1;

	if (virtio_begin(NIC, msix, 0, FEATURES | F_GUEST_CSUM | F_MQ) & F_MQ)
		pairs = get32(CONFIG + 8) & 0xffff;
	queue_on(&queues[RX], 0, msix ? 0 : NO_VECTOR);
	queue_on(&queues[TX], 1, msix ? 1 : NO_VECTOR);
	queue_on(&queues[CTRL], 2 * pairs, NO_VECTOR);
	virtio_driver_ok();
}

static void describe(struct queue *q, uint32_t n, volatile void *addr,
		     uint32_t len, uint16_t flags)
{
	q->desc[n].addr = (uintptr_t)addr;
	q->desc[n].len = len;
	q->desc[n].flags = flags;
	q->desc[n].next = (uint16_t)(n + 1);
}

static void give(struct queue *q)
{
	q->avail.ring[q->avail.idx % RING] = 0;
	__asm__ volatile("" : : : "memory");
	q->avail.idx++;
	__asm__ volatile("lock; addl $0, (%%esp)" : : : "memory");
	set16(NOTIFY + 4 * q->number, (uint16_t)q->number);
}

static void wait(const struct queue *q)
{
	while (q->used.idx != q->avail.idx)
		__asm__ volatile("pause");
}

static uint32_t pairs(uint8_t nr)
{
	struct queue *q = &queues[CTRL];

	command[0] = 4; /* MQ */
	command[1] = 0;
	command[2] = nr;
	command[3] = 0;
	command[4] = 0xff;
	describe(q, 0, command, 4, F_NEXT);
	describe(q, 1, command + 4, 1, F_WRITE);
	give(q);
	wait(q);
	return command[4];
}

/* What is wrong with it, or 0. */
static uint32_t one(uint32_t round, uint32_t echo)
{
	uint32_t i;

	for (i = 0; i < FRAME; i++)
		out[HEADER + i] = (uint8_t)(i < 12 ? 2 : i + round);
	if (echo) {
		describe(&queues[RX], 0, room, ROOM, F_WRITE);
		give(&queues[RX]);
	}
	describe(&queues[TX], 0, out, HEADER + FRAME, 0);
	give(&queues[TX]);
	wait(&queues[TX]);
	if (!echo)
		return 0;
	wait(&queues[RX]);
	for (i = 0; i < FRAME; i++)
		if (room[HEADER + i] != out[HEADER + i])
			return 1;
	return 0;
}

void main(const struct start_info *info)
{
	uint32_t rounds = option(info, "rounds", 20), round, fails = 0;
	uint32_t echo = option(info, "echo", 1);

	start(option(info, "msix", 0));
	if (option(info, "mq", 0))
		fails += pairs(2) + pairs(1);
	for (round = 0; !rounds || round < rounds; round++)
		fails += one(round, echo);
	print(fails ? "FAIL\n" : "PASS\n");
	set8(BAR + 0x14, 0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest sees of rules that do more than load and store: clocks, bits
 * that clear, masks, posts that are also stored; and of a region that is
 * switched off.  conform.c has the combinations.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define BASE_PIO 0x600
#define BASE_MMIO 0x10000000ULL
#define PM_TIMER_HZ 3579545

FIXTURE(registers)
{
	struct guest *g;
	int dev;
	int vm;
	int id;
	int event;
	uint64_t base;
	enum guest_kind rd, wr;
	struct area a;
};

FIXTURE_VARIANT(registers)
{
	uint32_t bus;
};

FIXTURE_VARIANT_ADD(registers, pio)
{
	.bus = VIREO_BUS_PIO,
};

FIXTURE_VARIANT_ADD(registers, mmio)
{
	.bus = VIREO_BUS_MMIO,
};

FIXTURE_SETUP(registers)
{
	struct vireo_info info = { .size = sizeof(info) };
	bool mmio = variant->bus == VIREO_BUS_MMIO;
	int ret;

	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, GUEST_MAX_VCPUS);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	if (info.exit_path == VIREO_EXIT_PATH_OFF)
		SKIP(return, "the exit path is off: %s", info.why);
	self->vm = vireo_vm_open(self->dev, self->g->vm, "registers");
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(guest_attach(self->g, self->dev, self->vm), 0);
	self->event = eventfd(0, EFD_NONBLOCK);
	self->base = mmio ? BASE_MMIO : BASE_PIO;
	self->rd = mmio ? GUEST_READ : GUEST_IN;
	self->wr = mmio ? GUEST_WRITE : GUEST_OUT;
}

FIXTURE_TEARDOWN(registers)
{
	guest_destroy(self->g);
}

/* Adds a region of 16 bytes at the base and maps its area. */
#define ADD(rules, pages, entries) do {					\
	struct vireo_io_add add_ = io_template(variant->bus, self->base,	\
					       16, rules, ARRAY_LEN(rules)); \
	add_.shadow_pages = pages;					\
	add_.ring_entries = entries;					\
	self->id = io_add(self->vm, &add_);				\
	ASSERT_GE(self->id, 0);						\
	ASSERT_EQ(area_map_pages(self->vm, self->id, pages, entries,	\
				 &self->a), 0);				\
} while (0)

#define READ(w, off) ({							\
	bool passed_;							\
	uint64_t v_ = guest_access(self->g, self->rd, w,		\
				   self->base + (off), 0, &passed_);	\
	EXPECT_FALSE(passed_);						\
	v_; })

#define WRITE(w, off, value) ({						\
	bool passed_;							\
	guest_access(self->g, self->wr, w, self->base + (off), value,	\
		     &passed_);						\
	EXPECT_FALSE(passed_); })

#define PASSES(kind, w, off) ({						\
	bool passed_;							\
	guest_access(self->g, self->kind, w, self->base + (off), ~0ULL,	\
		     &passed_);						\
	EXPECT_TRUE(passed_); })

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t count_at(uint64_t ns, uint64_t hz)
{
	uint64_t m = ((unsigned __int128)hz << 64) / 1000000000;

	return ((unsigned __int128)ns * m) >> 64;
}

TEST_F(registers, clock)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CLOCK, .len = 4, .widths = VIREO_WIDTH_4,
		  .value = PM_TIMER_HZ, .mask = 0xffffffff, .shadow = 8,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_CLOCK, .offset = 8, .len = 8,
		  .value = 1, .mask = 0xff00, .shadow = 16 },
	};
	uint64_t add = 0, from, to, v;

	ADD(rules, 1, 0);
	for (int i = 0; i < 200; i++) {
		from = count_at(now() + add, PM_TIMER_HZ);
		v = READ(4, 0);
		to = count_at(now() + add, PM_TIMER_HZ);
		EXPECT_LE(v - (uint32_t)from, to - from);
		/* What the owner adds, also across the end of the counter. */
		add = i * 0x123456789abULL;
		memcpy(&self->a.shadow[8], &add, 8);
	}
	WRITE(4, 0, 0);
	PASSES(rd, 2, 0);
	PASSES(rd, 4, 1);

	/* Seconds, of which bits 8 to 15 are there. */
	add = 0x7712ULL * 1000000000 + 500000000 - now();
	memcpy(&self->a.shadow[16], &add, 8);
	EXPECT_EQ(READ(4, 8), 0x7700);
	EXPECT_EQ(READ(1, 9), 0x77);
	EXPECT_EQ(READ(2, 9), 0x77);
	EXPECT_EQ(READ(2, 10), 0);
	EXPECT_EQ(READ(1, 15), 0);
	PASSES(rd, 2, 15);
	PASSES(wr, 4, 8);
}

/* Threads of vCPUs that read a clock, and what any of them has seen. */
struct seen {
	struct guest *g;
	struct guest_op *op[GUEST_MAX_VCPUS];
	uint64_t latest;
	int errors;
};

struct reader {
	struct seen *seen;
	int vcpu;
};

static void *read_clock(void *arg)
{
	struct reader *r = arg;
	struct seen *s = r->seen;
	uint64_t before, v;

	for (int i = 0; i < 500; i++) {
		before = __atomic_load_n(&s->latest, __ATOMIC_SEQ_CST);
		if (guest_run(s->g, r->vcpu)) {
			__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
			break;
		}
		v = s->op[r->vcpu]->data;
		if (v < before)
			__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
		while (v > before &&
		       !__atomic_compare_exchange_n(&s->latest, &before, v,
						    false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			;
	}
	return NULL;
}

TEST_F_TIMEOUT(registers, clock_never_goes_back, 120)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CLOCK, .len = 4, .value = 20000000,
		  .mask = 0xffffffff },
	};
	struct seen seen = { .g = self->g };
	struct reader reader[GUEST_MAX_VCPUS];
	pthread_t thread[GUEST_MAX_VCPUS];
	uint64_t add;

	ADD(rules, 1, 0);
	/* Around the end of the mask only after the time limit. */
	add = -now();
	memcpy(self->a.shadow, &add, 8);
	for (int v = 0; v < GUEST_MAX_VCPUS; v++) {
		seen.op[v] = guest_add(self->g, v, self->rd, 4, self->base, 0);
		reader[v] = (struct reader){ &seen, v };
	}
	for (int v = 0; v < GUEST_MAX_VCPUS; v++)
		ASSERT_EQ(pthread_create(&thread[v], NULL, read_clock,
					 &reader[v]), 0);
	for (int v = 0; v < GUEST_MAX_VCPUS; v++)
		pthread_join(thread[v], NULL);
	EXPECT_EQ(seen.errors, 0);
	EXPECT_GT(seen.latest, 0);
}

TEST_F(registers, clear)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CLEAR, .len = 4, .fd = self->event,
		  .flags = VIREO_RULE_READ_CLEAR, .shadow = 8 },
		{ .type = VIREO_RULE_CLEAR, .offset = 4, .len = 4, .fd = -1,
		  .flags = VIREO_RULE_WRITE_ONE_CLEAR, .shadow = 16 },
		{ .type = VIREO_RULE_CLEAR, .offset = 8, .len = 4,
		  .fd = self->event, .shadow = 24,
		  .flags = VIREO_RULE_WRITE_ONE_CLEAR },
	};
	uint8_t *s;

	ADD(rules, 1, 0);
	s = self->a.shadow;
	memcpy(&s[8], "\x01\x02\x03\x04", 4);
	EXPECT_EQ(READ(1, 1), 2);
	EXPECT_EQ(eventfd_take(self->event), 1);
	EXPECT_EQ(READ(4, 0), 0x04030001);
	EXPECT_EQ(eventfd_take(self->event), 1);
	EXPECT_EQ(READ(4, 0), 0);
	EXPECT_EQ(eventfd_take(self->event), 0);	/* was 0 before */
	PASSES(rd, 2, 1);
	PASSES(wr, 4, 0);

	/* Ones clear; what is read stays. */
	memset(&s[16], 0xff, 4);
	EXPECT_EQ(READ(4, 4), 0xffffffff);
	WRITE(2, 6, 0x8001);
	EXPECT_EQ(READ(4, 4), 0x7ffeffff);
	WRITE(4, 4, 0xffffffff);
	EXPECT_EQ(READ(4, 4), 0);
	PASSES(wr, 2, 5);

	s[24] = 3;
	WRITE(1, 8, 1);
	EXPECT_EQ(eventfd_take(self->event), 0);
	WRITE(1, 8, 0);
	EXPECT_EQ(eventfd_take(self->event), 0);
	WRITE(1, 8, 0xff);
	EXPECT_EQ(eventfd_take(self->event), 1);
	EXPECT_EQ(s[24], 0);
	WRITE(1, 8, 0xff);
	EXPECT_EQ(eventfd_take(self->event), 0);
}

/* The owner sets a bit again and again; the guest clears it. */
struct setter {
	uint8_t *byte;
	uint64_t set;
	bool stop;
};

static void *set_bits(void *arg)
{
	struct setter *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		if (!(__atomic_fetch_or(s->byte, 1, __ATOMIC_SEQ_CST) & 1))
			s->set++;
	}
	return NULL;
}

TEST_F_TIMEOUT(registers, nothing_set_is_lost, 120)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CLEAR, .len = 1, .fd = -1,
		  .flags = VIREO_RULE_READ_CLEAR },
	};
	struct setter setter = {};
	uint64_t seen = 0;
	pthread_t thread;

	ADD(rules, 1, 0);
	setter.byte = self->a.shadow;
	ASSERT_EQ(pthread_create(&thread, NULL, set_bits, &setter), 0);
	for (int i = 0; i < 2000; i++)
		seen += READ(1, 0) & 1;
	__atomic_store_n(&setter.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	seen += self->a.shadow[0] & 1;
	EXPECT_EQ(seen, setter.set);
}

TEST_F(registers, masked_store)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4, .shadow = 3,
		  .flags = VIREO_RULE_WRITE_THROUGH, .mask = 0x80fffffc },
	};

	ADD(rules, 1, 0);
	self->a.shadow[3] = 1;
	WRITE(4, 0, 0xffffffff);
	EXPECT_EQ(READ(4, 0), 0x80fffffd);
	WRITE(1, 0, 0);
	WRITE(2, 2, 0x1234);
	EXPECT_EQ(READ(4, 0), 0x0034ff01);
	EXPECT_EQ(self->a.shadow[2], 0);
	EXPECT_EQ(self->a.shadow[7], 0);
}

TEST_F(registers, post_that_is_stored)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_POST, .len = 4, .shadow = 5000,
		  .flags = VIREO_RULE_READ_SHADOW | VIREO_RULE_WRITE_THROUGH,
		  .mask = 0xff },
		{ .type = VIREO_RULE_POST, .offset = 4, .len = 12,
		  .flags = VIREO_RULE_WRITE_THROUGH, .shadow = 8180 },
	};
	struct vireo_post p;

	ADD(rules, 2, 2);
	WRITE(4, 0, 0x11223344);
	EXPECT_EQ(READ(4, 0), 0x44);
	ASSERT_TRUE(ring_take(self->a.ring, &p));
	EXPECT_EQ(p.value, 0x11223344);
	WRITE(4, 12, 0x55667788);
	PASSES(rd, 4, 12);
	EXPECT_EQ(memcmp(&self->a.shadow[8188], "\x88\x77\x66\x55", 4), 0);
	WRITE(1, 0, 1);
	/* Full: nothing is stored. */
	PASSES(wr, 1, 0);
	EXPECT_EQ(READ(1, 0), 1);
	area_unmap(&self->a);
}

TEST_F(registers, switched_off_and_on)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_EVENT, .offset = 4, .len = 1,
		  .fd = self->event },
		{ .type = VIREO_RULE_POST, .offset = 8, .len = 4 },
		{ .type = VIREO_RULE_CLOCK, .offset = 12, .len = 4,
		  .value = 1000, .mask = 1 },
	};
	struct vireo_post p;

	ADD(rules, 1, 4);
	WRITE(4, 0, 0x1234);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(io_disable(self->vm, self->id), 0);
		PASSES(rd, 4, 0);
		PASSES(wr, 4, 0);
		PASSES(wr, 1, 4);
		PASSES(wr, 4, 8);
		PASSES(rd, 4, 12);
		EXPECT_EQ(eventfd_take(self->event), 0);
		EXPECT_FALSE(ring_take(self->a.ring, &p));
		ASSERT_EQ(io_enable(self->vm, self->id), 0);
		EXPECT_EQ(READ(4, 0), 0x1234);
		WRITE(1, 4, 0);
		EXPECT_EQ(eventfd_take(self->event), 1);
		WRITE(4, 8, 7);
		EXPECT_TRUE(ring_take(self->a.ring, &p));
	}
}

TEST_HARNESS_MAIN

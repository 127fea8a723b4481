// SPDX-License-Identifier: GPL-2.0
/* What a guest sees: each rule on both buses, and the POST ring. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define BASE_PIO 0x3f8
#define BASE_MMIO 0x10000000ULL
#define ALL_EE 0xeeeeeeeeeeeeeeeeULL

FIXTURE(serve)
{
	struct guest *g;
	int dev;
	int vm;
	int event;
	uint64_t base;
	enum guest_kind rd, wr;
};

FIXTURE_VARIANT(serve)
{
	uint32_t bus;
};

FIXTURE_VARIANT_ADD(serve, pio)
{
	.bus = VIREO_BUS_PIO,
};

FIXTURE_VARIANT_ADD(serve, mmio)
{
	.bus = VIREO_BUS_MMIO,
};

FIXTURE_SETUP(serve)
{
	struct vireo_info info = { .size = sizeof(info) };
	bool mmio = variant->bus == VIREO_BUS_MMIO;
	int ret;

	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, GUEST_MAX_VCPUS);
	if (ret)
		SKIP_SETUP("no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	if (info.exit_path == VIREO_EXIT_PATH_OFF)
		SKIP_SETUP("the exit path is off: %s", info.why);
	self->vm = vireo_vm_open(self->dev, self->g->vm, "serve");
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(guest_attach(self->g, self->dev, self->vm), 0);
	self->event = eventfd(0, EFD_NONBLOCK);
	self->base = mmio ? BASE_MMIO : BASE_PIO;
	self->rd = mmio ? GUEST_READ : GUEST_IN;
	self->wr = mmio ? GUEST_WRITE : GUEST_OUT;
}

FIXTURE_TEARDOWN(serve)
{
	guest_destroy(self->g);
}

#define MASK(width) ((width) == 8 ? ~0ULL : (1ULL << 8 * (width)) - 1)

/* Adds a region of len bytes at the base. */
#define ADD(rules, bytes) ({						\
	struct vireo_io_add add_ = io_template(variant->bus, self->base,	\
					       bytes, rules, ARRAY_LEN(rules)); \
	io_add(self->vm, &add_); })

#define ADD_RING(rules, bytes, n) ({					\
	struct vireo_io_add add_ = io_template(variant->bus, self->base,	\
					       bytes, rules, ARRAY_LEN(rules)); \
	add_.ring_entries = n;						\
	add_.ring_fd = self->event;					\
	io_add(self->vm, &add_); })

/* A read that the kernel serves with a value, or that user space sees. */
#define EXPECT_READ(w, off, want) do {				\
	bool passed_;							\
	uint64_t v_ = guest_access(self->g, self->rd, w,		\
				   self->base + (off), 0, &passed_);	\
	EXPECT_FALSE(passed_) { TH_LOG("width %d", w); }		\
	EXPECT_EQ(v_, want) { TH_LOG("width %d", w); }		\
} while (0)

#define EXPECT_READ_PASSED(w, off) do {				\
	bool passed_;							\
	uint64_t v_ = guest_access(self->g, self->rd, w,		\
				   self->base + (off), 0, &passed_);	\
	EXPECT_TRUE(passed_) { TH_LOG("width %d", w); }		\
	EXPECT_EQ(v_, ALL_EE & MASK(w));				\
} while (0)

#define EXPECT_WRITE(w, off, value, want_passed) do {		\
	bool passed_;							\
	guest_access(self->g, self->wr, w, self->base + (off),	\
		     value, &passed_);					\
	EXPECT_EQ(passed_, want_passed) { TH_LOG("width %d", w); }	\
	if (passed_) {							\
		EXPECT_EQ(self->g->exits[0].data,			\
			  (uint64_t)(value) & MASK(w));		\
		EXPECT_EQ(self->g->exits[0].addr, self->base + (off));	\
		EXPECT_EQ(self->g->exits[0].width, w);		\
	}								\
} while (0)

#define MAX_WIDTH (variant->bus == VIREO_BUS_MMIO ? 8 : 4)

TEST_F(serve, nothing_without_a_region)
{
	EXPECT_READ_PASSED(1, 0);
	EXPECT_WRITE(1, 0, 1, true);
}

TEST_F(serve, shadow_read)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 16, .shadow = 0x100 },
	};
	struct area a;
	int id = ADD(rules, 16);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &a), 0);
	for (int i = 0; i < VIREO_SHADOW_SIZE; i++)
		a.shadow[i] = i - 0x100 + 0x10;

	/* Every width, aligned or not. */
	for (int off = 0; off <= 8; off++)
		for (int width = 1; width <= MAX_WIDTH; width *= 2) {
			uint64_t want = 0;

			memcpy(&want, a.shadow + 0x100 + off, width);
			EXPECT_READ(width, off, want);
		}
	/* The last byte; and past the end. */
	EXPECT_READ(1, 15, 0x1f);
	EXPECT_READ_PASSED(1, 16);
	EXPECT_READ_PASSED(2, 15);
	EXPECT_READ_PASSED(4, 13);
	/* Writes are not decided. */
	EXPECT_WRITE(1, 0, 0x55, true);
	EXPECT_EQ(a.shadow[0x100], 0x10);
	area_unmap(&a);
}

TEST_F(serve, shadow_write)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 16, .shadow = 4080,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_SHADOW, .offset = 16, .len = 8,
		  .flags = VIREO_RULE_WRITE_DROP },
	};
	uint8_t want[VIREO_SHADOW_SIZE] = {};
	const uint64_t v = 0x8877665544332211;
	struct area a;
	int id = ADD(rules, 24);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &a), 0);
	for (int off = 0; off <= 8; off++)
		for (int width = 1; width <= MAX_WIDTH; width *= 2) {
			memset(a.shadow, 0, VIREO_SHADOW_SIZE);
			memset(want, 0, sizeof(want));
			memcpy(want + 4080 + off, &v, width);
			EXPECT_WRITE(width, off, v, false);
			EXPECT_EQ(memcmp(a.shadow, want, sizeof(want)), 0);
		}
	memset(want, 0x77, sizeof(want));
	memset(a.shadow, 0x77, VIREO_SHADOW_SIZE);
	EXPECT_WRITE(4, 16, v, false);
	/* Across two rules: no rule covers it. */
	EXPECT_WRITE(2, 15, v, true);
	EXPECT_EQ(memcmp(a.shadow, want, sizeof(want)), 0);
	area_unmap(&a);
}

TEST_F(serve, const_rule)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CONST, .len = 8,
		  .value = 0x8877665544332211 },
		{ .type = VIREO_RULE_CONST, .offset = 8, .len = 8,
		  .value = 0xff, .flags = VIREO_RULE_WRITE_DROP },
	};

	ASSERT_GE(ADD(rules, 16), 0);
	for (int width = 1; width <= MAX_WIDTH; width *= 2)
		EXPECT_READ(width, 0, 0x8877665544332211 & MASK(width));
	/* A constant is the same at each offset. */
	EXPECT_READ(1, 3, 0x11);
	EXPECT_READ(4, 8, 0xff);
	EXPECT_WRITE(1, 0, 1, true);
	EXPECT_WRITE(1, 8, 1, false);
	EXPECT_READ_PASSED(2, 7);
}

TEST_F(serve, widths)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CONST, .len = 8, .value = 0x11111111,
		  .widths = VIREO_WIDTH_1 },
		{ .type = VIREO_RULE_CONST, .len = 8, .value = 0x44444444,
		  .widths = VIREO_WIDTH_4 },
	};

	ASSERT_GE(ADD(rules, 8), 0);
	EXPECT_READ(1, 0, 0x11);
	EXPECT_READ_PASSED(2, 0);
	EXPECT_READ(4, 0, 0x44444444);
	if (MAX_WIDTH == 8)
		EXPECT_READ_PASSED(8, 0);
}

TEST_F(serve, first_rule_that_decides)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_EVENT, .offset = 4, .len = 1,
		  .fd = self->event, .value = 3, .mask = 0xff },
		{ .type = VIREO_RULE_CONST, .offset = 4, .len = 1, .value = 1 },
		{ .type = VIREO_RULE_SHADOW, .len = 8,
		  .flags = VIREO_RULE_WRITE_THROUGH },
	};
	struct area a;
	int id = ADD(rules, 8);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &a), 0);
	EXPECT_READ(1, 4, 1);
	EXPECT_READ(1, 3, 0);
	/* Neither EVENT (no match) nor CONST has a say: SHADOW has. */
	EXPECT_WRITE(1, 4, 2, false);
	EXPECT_EQ(a.shadow[4], 2);
	EXPECT_EQ(eventfd_take(self->event), 0);
	EXPECT_WRITE(1, 4, 3, false);
	EXPECT_EQ(a.shadow[4], 2);
	EXPECT_EQ(eventfd_take(self->event), 1);
	/* Wider than the first two rules. */
	EXPECT_READ(2, 4, 2);
	area_unmap(&a);
}

TEST_F(serve, event)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_EVENT, .len = 4, .fd = self->event,
		  .widths = VIREO_WIDTH_4, .value = 0x120000,
		  .mask = 0xff0000 },
		{ .type = VIREO_RULE_EVENT, .offset = 4, .len = 4,
		  .fd = self->event },
	};

	ASSERT_GE(ADD(rules, 8), 0);
	EXPECT_WRITE(4, 0, 0x55125555, false);
	EXPECT_EQ(eventfd_take(self->event), 1);
	EXPECT_WRITE(4, 0, 0x55135555, true);
	EXPECT_WRITE(2, 0, 0, true);
	EXPECT_EQ(eventfd_take(self->event), 0);
	EXPECT_WRITE(1, 5, 0xaa, false);
	EXPECT_WRITE(4, 4, 0, false);
	EXPECT_EQ(eventfd_take(self->event), 2);
	EXPECT_READ_PASSED(4, 4);
}

TEST_F(serve, indexed)
{
	/* As a PCI host bridge has it: address port, data port. */
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4,
		  .widths = VIREO_WIDTH_4,
		  .flags = VIREO_RULE_WRITE_THROUGH, .shadow = 8 },
		{ .type = VIREO_RULE_INDEXED, .offset = 4, .len = 4, .index = 8,
		  .flags = VIREO_RULE_READ_ONES | VIREO_RULE_NOT_EQUAL,
		  .mask = 0xff0000 },
		{ .type = VIREO_RULE_INDEXED, .offset = 4, .len = 4, .index = 8,
		  .mask = 0xff00, .value = 0x1000,
		  .index_mask = 0xfc, .shadow = 0x100 },
	};
	struct area a;
	int id = ADD(rules, 8);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &a), 0);
	memcpy(&a.shadow[0x140], "\x01\x02\x03\x04", 4);
	EXPECT_WRITE(4, 0, 0x80010000, false);
	EXPECT_READ(4, 0, 0x80010000);
	EXPECT_READ(4, 4, 0xffffffff);
	EXPECT_READ(1, 6, 0xff);
	EXPECT_WRITE(4, 0, 0x80001041, false);
	EXPECT_READ(4, 4, 0x04030201);
	EXPECT_READ(2, 6, 0x0403);
	EXPECT_READ_PASSED(4, 2);
	/* Another function is the owner's, and so are writes. */
	EXPECT_WRITE(4, 0, 0x80001140, false);
	EXPECT_READ_PASSED(4, 4);
	EXPECT_WRITE(4, 4, 7, true);
	/* The owner may store any index; what it selects stays in the page. */
	memset(&a.shadow[8], 0xff, 4);
	EXPECT_READ(4, 4, 0xffffffff);
	area_unmap(&a);
}

TEST_F(serve, large_offsets)
{
	/* Beyond what is found by index. */
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CONST, .offset = 0, .len = 1, .value = 1 },
		{ .type = VIREO_RULE_CONST, .offset = 127, .len = 1, .value = 2 },
		{ .type = VIREO_RULE_CONST, .offset = 128, .len = 1, .value = 3 },
		{ .type = VIREO_RULE_CONST, .offset = 4095, .len = 1, .value = 4 },
		{ .type = VIREO_RULE_CONST, .offset = 120, .len = 3000,
		  .value = 5 },
	};

	ASSERT_GE(ADD(rules, 4096), 0);
	EXPECT_READ(1, 0, 1);
	EXPECT_READ_PASSED(1, 1);
	EXPECT_READ_PASSED(1, 119);
	EXPECT_READ(1, 120, 5);
	EXPECT_READ(1, 127, 2);
	EXPECT_READ(1, 128, 3);
	EXPECT_READ(2, 127, 5);
	EXPECT_READ(1, 3119, 5);
	EXPECT_READ_PASSED(1, 3120);
	EXPECT_READ(1, 4095, 4);
}

TEST_F(serve, disabled_until_enabled)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4 },
	};
	struct vireo_io_add add = io_template(variant->bus, self->base, 4,
					      rules, 1);
	struct area a;
	int id;

	add.flags = VIREO_IO_DISABLED;
	id = io_add(self->vm, &add);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &a), 0);
	EXPECT_READ_PASSED(4, 0);
	a.shadow[0] = 0x42;
	ASSERT_EQ(io_enable(self->vm, id), 0);
	EXPECT_READ(4, 0, 0x42);
	ASSERT_EQ(io_del(self->vm, id), 0);
	EXPECT_READ_PASSED(4, 0);
	area_unmap(&a);
}

TEST_F(serve, adjacent_regions)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CONST, .len = 4, .value = 0x11111111 },
	};
	const int order[] = { 2, 0, 3, 1 };

	/* Added out of order; each answers for itself only. */
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct vireo_io_add add = io_template(variant->bus,
						      self->base + 4 * order[i],
						      4, rules, 1);

		rules[0].value = 0x11111111 * (order[i] + 1);
		ASSERT_GE(io_add(self->vm, &add), 0);
	}
	for (int i = 0; i < 4; i++) {
		EXPECT_READ(4, 4 * i, 0x11111111U * (i + 1));
		EXPECT_READ(1, 4 * i + 3, 0x11U * (i + 1));
		EXPECT_READ_PASSED(2, 4 * i + 3);
	}
}

TEST_F(serve, post)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_POST, .len = 8,
		  .flags = VIREO_RULE_READ_SHADOW, .shadow = 8 },
		{ .type = VIREO_RULE_POST, .offset = 8, .len = 8 },
	};
	const uint64_t v = 0x8877665544332211;
	struct vireo_post p;
	struct area a;
	int id = ADD_RING(rules, 16, 16);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 16, &a), 0);
	EXPECT_EQ(a.ring->entries, 16);
	EXPECT_FALSE(ring_take(a.ring, &p));

	for (int width = 1; width <= MAX_WIDTH; width *= 2) {
		EXPECT_WRITE(width, 8 - width, v, false);
		EXPECT_EQ(eventfd_take(self->event), 1);
		ASSERT_TRUE(ring_take(a.ring, &p));
		EXPECT_EQ(p.value, v & MASK(width));
		EXPECT_EQ(p.offset, (uint32_t)(8 - width));
		EXPECT_EQ(p.width, width);
		EXPECT_EQ(p.vcpu, 0);
		EXPECT_EQ(p.reserved, 0);
	}
	/* Only the first post into an empty ring signals. */
	EXPECT_WRITE(1, 0, 1, false);
	EXPECT_WRITE(1, 0, 2, false);
	EXPECT_EQ(eventfd_take(self->event), 1);
	EXPECT_WRITE(1, 0, 3, false);
	EXPECT_EQ(eventfd_take(self->event), 0);
	for (int i = 1; i <= 3; i++) {
		ASSERT_TRUE(ring_take(a.ring, &p));
		EXPECT_EQ(p.value, (uint64_t)i);
	}
	EXPECT_FALSE(ring_take(a.ring, &p));

	a.shadow[8] = 0x60;
	EXPECT_READ(1, 0, 0x60);
	EXPECT_READ_PASSED(1, 8);
	EXPECT_WRITE(2, 7, 1, true);
	area_unmap(&a);
}

TEST_F(serve, post_that_wakes_nobody)
{
	struct vireo_rule rules[] = { { .type = VIREO_RULE_POST, .len = 4 } };
	struct vireo_io_add add = io_template(variant->bus, self->base, 4,
					      rules, 1);
	struct vireo_post p;
	struct area a;
	int id;

	add.ring_entries = 4;
	id = io_add(self->vm, &add);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 4, &a), 0);
	EXPECT_WRITE(4, 0, 0x1234, false);
	ASSERT_TRUE(ring_take(a.ring, &p));
	EXPECT_EQ(p.value, 0x1234);
	area_unmap(&a);
}

TEST_F(serve, post_ring_full)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_POST, .len = 4 },
		/* Not the way out of a full ring. */
		{ .type = VIREO_RULE_SHADOW, .len = 4,
		  .flags = VIREO_RULE_WRITE_THROUGH },
	};
	struct vireo_post p;
	struct area a;
	int id = ADD_RING(rules, 4, 4);

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 4, &a), 0);
	/* Several rounds, so that the ring wraps. */
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			EXPECT_WRITE(4, 0, round * 10 + i, false);
		EXPECT_WRITE(4, 0, 99, true);
		EXPECT_WRITE(4, 0, 98, true);
		ASSERT_TRUE(ring_take(a.ring, &p));
		EXPECT_EQ(p.value, round * 10ULL);
		EXPECT_WRITE(4, 0, 97, false);
		for (int i = 1; i < 4; i++) {
			ASSERT_TRUE(ring_take(a.ring, &p));
			EXPECT_EQ(p.value, round * 10ULL + i);
		}
		ASSERT_TRUE(ring_take(a.ring, &p));
		EXPECT_EQ(p.value, 97);
		EXPECT_FALSE(ring_take(a.ring, &p));
	}
	EXPECT_EQ(a.shadow[0], 0);
	area_unmap(&a);
}

TEST_F(serve, post_with_an_insane_ring)
{
	struct vireo_rule rules[] = { { .type = VIREO_RULE_POST, .len = 4 } };
	const uint32_t heads[] = { 1, 2, 5, 0x7fffffff, 0x80000000, 0xfffffff0 };
	struct area a;
	uint32_t tail;
	int id;

	/* 8 entries: header and ring end at byte 256 of their page. */
	id = ADD_RING(rules, 4, 8);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 8, &a), 0);
	memset(&a.ring->post[8], 0x5a, 4096 - 256);
	EXPECT_WRITE(4, 0, 0, false);
	tail = a.ring->tail;
	ASSERT_EQ(tail, 1);

	/* A head that was never reached counts as a full ring. */
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		a.ring->head = tail + heads[i];
		EXPECT_WRITE(4, 0, 1, true);
		EXPECT_EQ(a.ring->tail, tail);
	}
	/* The module's tail and size are its own. */
	a.ring->head = 0;
	a.ring->tail = 0x12345;
	a.ring->entries = 0x10000;
	for (int i = 0; i < 7; i++)
		EXPECT_WRITE(4, 0, 2, false);
	EXPECT_EQ(a.ring->tail, 8);
	EXPECT_WRITE(4, 0, 3, true);
	for (int i = 0; i < 4096 - 256; i++)
		ASSERT_EQ(((uint8_t *)&a.ring->post[8])[i], 0x5a);
	area_unmap(&a);
}

TEST_F(serve, string_output)
{
	struct vireo_rule rules[] = { { .type = VIREO_RULE_POST, .len = 1 } };
	const char text[] = "a string that is longer than the ring is";
	char seen[sizeof(text)] = "";
	struct vireo_post p;
	struct area a;
	size_t n = 0;
	int id;

	if (variant->bus != VIREO_BUS_PIO)
		SKIP(return, "ports only");
	id = ADD_RING(rules, 1, 16);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 16, &a), 0);

	memcpy(self->g->mem + GUEST_BUFFER, text, sizeof(text));
	guest_add(self->g, 0, GUEST_OUTS, 1, self->base, GUEST_BUFFER)->repeat =
		sizeof(text) - 1;
	ASSERT_EQ(guest_run(self->g, 0), 0);
	while (ring_take(a.ring, &p))
		seen[n++] = p.value;
	EXPECT_EQ(n, 16);
	for (int i = 0; i < self->g->nr_exits; i++) {
		ASSERT_EQ(self->g->exits[i].count, 1);
		seen[n++] = self->g->exits[i].data;
	}
	EXPECT_EQ(strncmp(seen, text, sizeof(text)), 0);
	area_unmap(&a);
}

TEST_F(serve, string_input)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_CONST, .len = 1, .value = 0x7e },
	};
	uint8_t want = 0x7e;

	if (variant->bus != VIREO_BUS_PIO)
		SKIP(return, "ports only");
	ASSERT_GE(ADD(rules, 1), 0);
	guest_add(self->g, 0, GUEST_INS, 1, self->base, GUEST_BUFFER)->repeat =
		3000;
	ASSERT_EQ(guest_run(self->g, 0), 0);
	/* The run entry leaves strings to user space. */
	if (exit_path(self->dev) == VIREO_EXIT_PATH_RUN) {
		want = GUEST_USER_BYTE;
		EXPECT_GT(self->g->nr_exits, 0);
	} else {
		EXPECT_EQ(self->g->nr_exits, 0);
	}
	for (int i = 0; i < 3000; i++)
		ASSERT_EQ(self->g->mem[GUEST_BUFFER + i], want);
	EXPECT_EQ(self->g->mem[GUEST_BUFFER + 3000], 0);
}

/* A thread per vCPU writes numbers; a consumer sleeps on the eventfd. */
#define POSTS 200
#define ROUNDS 25

struct consumer {
	struct area area;
	pthread_mutex_t lock;
	int event;
	int next[GUEST_MAX_VCPUS];	/* counts all, values repeat */
	int errors;
	int posted, passed;
};

static void consume(struct consumer *c, int vcpu, uint64_t value)
{
	if (vcpu >= GUEST_MAX_VCPUS || (int)value != c->next[vcpu]++ % POSTS)
		c->errors++;
}

static void drain(struct consumer *c)
{
	struct vireo_post p;

	while (ring_take(c->area.ring, &p)) {
		consume(c, p.vcpu, p.value);
		c->posted++;
	}
}

/* A write that found the ring full: what is in the ring is older. */
static void passed_up(struct guest *g, const struct guest_exit *e)
{
	struct consumer *c = g->on_exit_arg;

	pthread_mutex_lock(&c->lock);
	drain(c);
	consume(c, e->vcpu, e->data);
	c->passed++;
	eventfd_write(c->event, 1);
	pthread_mutex_unlock(&c->lock);
}

struct job {
	struct guest *g;
	int vcpu;
};

static void *vcpu_thread(void *arg)
{
	struct job *job = arg;

	int ret = 0;

	for (int i = 0; !ret && i < ROUNDS; i++)
		ret = guest_run(job->g, job->vcpu);
	return (void *)(intptr_t)ret;
}

TEST_F_TIMEOUT(serve, post_from_several_vcpus, 120)
{
	struct vireo_rule rules[] = { { .type = VIREO_RULE_POST, .len = 4 } };
	struct consumer c = { .lock = PTHREAD_MUTEX_INITIALIZER,
			      .event = self->event };
	struct job job[GUEST_MAX_VCPUS];
	pthread_t thread[GUEST_MAX_VCPUS];
	struct pollfd pfd = { .fd = self->event, .events = POLLIN };
	const int all = GUEST_MAX_VCPUS * POSTS * ROUNDS;
	int total = 0, id;
	void *ret;

	id = ADD_RING(rules, 4, 64);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 64, &c.area), 0);
	self->g->on_exit = passed_up;
	self->g->on_exit_arg = &c;

	for (int v = 0; v < GUEST_MAX_VCPUS; v++) {
		for (int i = 0; i < POSTS; i++)
			guest_add(self->g, v, self->wr, 4, self->base, i);
		job[v] = (struct job){ self->g, v };
		ASSERT_EQ(pthread_create(&thread[v], NULL, vcpu_thread,
					 &job[v]), 0);
	}
	/* A wake-up that is missed shows as the time limit. */
	while (total < all) {
		ASSERT_EQ(poll(&pfd, 1, 10000), 1) {
			TH_LOG("%d posted, %d passed up", c.posted, c.passed);
		}
		pthread_mutex_lock(&c.lock);
		eventfd_take(self->event);
		drain(&c);
		total = c.posted + c.passed;
		pthread_mutex_unlock(&c.lock);
	}
	for (int v = 0; v < GUEST_MAX_VCPUS; v++) {
		pthread_join(thread[v], &ret);
		EXPECT_EQ((intptr_t)ret, 0);
		EXPECT_EQ(c.next[v], POSTS * ROUNDS);
	}
	EXPECT_EQ(c.errors, 0);
	EXPECT_EQ(c.posted + c.passed, all);
	area_unmap(&c.area);
}

TEST_HARNESS_MAIN

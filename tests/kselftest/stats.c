// SPDX-License-Identifier: GPL-2.0
/* VIREO_STATS, and that what it tells is what was done. */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500
#define MMIO 0x10000000ULL
#define RING 4

/* vCPUs of the guest, and those with counters of their own. */
#define VCPUS 3
#define OWN 2

#define RECORD_MAX 65536

FIXTURE(stats)
{
	struct guest *g;
	int dev, vm, event, ports, memory;
	char dir[64];
	struct vireo_stats arg;
	unsigned char *record;
};

FIXTURE_SETUP(stats)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 1,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_CONST, .offset = 1, .len = 1 },
		{ .type = VIREO_RULE_POST, .offset = 2, .len = 1 },
		{ .type = VIREO_RULE_EVENT, .offset = 3, .len = 1, .value = 7,
		  .mask = 0xff },
		{ .type = VIREO_RULE_INDEXED, .offset = 4, .len = 1,
		  .flags = VIREO_RULE_READ_ONES },
		{ .type = VIREO_RULE_CLOCK, .offset = 8, .len = 4,
		  .value = 1000000, .mask = 0xffffffff },
		{ .type = VIREO_RULE_CLEAR, .offset = 16, .len = 1, .fd = -1,
		  .flags = VIREO_RULE_READ_CLEAR },
	};
	struct vireo_rule all = { .type = VIREO_RULE_SHADOW, .len = 4096 };
	struct vireo_io_add add;
	int ret;

	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, VCPUS);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	self->vm = vireo_vm_open_vcpus(self->dev, self->g->vm, "a machine",
				       OWN);
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(guest_attach(self->g, self->dev, self->vm), 0);
	self->event = eventfd(0, EFD_NONBLOCK);
	rules[3].fd = self->event;

	add = io_template(VIREO_BUS_PIO, PORT, 32, rules, ARRAY_LEN(rules));
	strcpy(add.name, "ports");
	add.ring_entries = RING;
	add.ring_fd = self->event;
	self->ports = io_add(self->vm, &add);
	if (self->ports == -EOPNOTSUPP)
		SKIP(return, "the exit path is off");
	ASSERT_GE(self->ports, 0);

	add = io_template(VIREO_BUS_MMIO, MMIO, 8192, &all, 1);
	strcpy(add.name, "memory");
	self->memory = io_add(self->vm, &add);
	ASSERT_GE(self->memory, 0);

	self->record = mmap(NULL, RECORD_MAX, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->arg = (struct vireo_stats){
		.size = sizeof(self->arg),
		.what = VIREO_STATS_VM,
		.buf = (uintptr_t)self->record,
		.len = RECORD_MAX,
	};
	if (!stats_dir(getpid(), self->dir, sizeof(self->dir)))
		SKIP(return, "debugfs is not mounted");
}

FIXTURE_TEARDOWN(stats)
{
	guest_destroy(self->g);
}

#define STATS() IOCTL(self->vm, VIREO_STATS, &self->arg)

/* Takes a record of something. */
#define TAKE(what_, id_, flags_) ({		\
	self->arg.what = what_;			\
	self->arg.id = id_;			\
	self->arg.flags = flags_;		\
	self->arg.len = RECORD_MAX;		\
	STATS(); })

static const struct vireo_stats_header *header(const void *record)
{
	return record;
}

static const struct vireo_stats_desc *descs(const unsigned char *record)
{
	return (const void *)(record + header(record)->desc_offset);
}

static const struct vireo_stats_desc *find(const unsigned char *record,
					   const char *name)
{
	const struct vireo_stats_desc *d = descs(record);

	for (uint32_t i = 0; i < header(record)->num_desc; i++)
		if (!strcmp(d[i].name, name))
			return &d[i];
	return NULL;
}

static const uint64_t *data(const unsigned char *record,
			    const struct vireo_stats_desc *d)
{
	return (const void *)(record + header(record)->data_offset + d->offset);
}

/* The sum of the numbers of a name, or -1. */
static long long number(const unsigned char *record, const char *name)
{
	const struct vireo_stats_desc *d = find(record, name);
	long long sum = 0;

	if (!d)
		return -1;
	for (uint32_t i = 0; i < d->size; i++)
		sum += data(record, d)[i];
	return sum;
}

#define EXPECT_NUMBER(want, name) \
	EXPECT_EQ(number(self->record, name), want) { TH_LOG("%s", name); }

/* Each rule and each reason to pass, each a different number of times. */
static void use_all(struct guest *g, int vcpu)
{
	guest_reset(g);
	guest_add(g, vcpu, GUEST_IN, 1, PORT, 0)->repeat = 3;
	guest_add(g, vcpu, GUEST_OUT, 1, PORT, 0)->repeat = 2;
	guest_add(g, vcpu, GUEST_IN, 1, PORT + 1, 0)->repeat = 7;
	guest_add(g, vcpu, GUEST_OUT, 1, PORT + 2, 0)->repeat = RING + 2;
	guest_add(g, vcpu, GUEST_OUT, 1, PORT + 3, 7);
	guest_add(g, vcpu, GUEST_OUT, 1, PORT + 3, 8)->repeat = 3;
	guest_add(g, vcpu, GUEST_IN, 1, PORT + 4, 0)->repeat = 9;
	guest_add(g, vcpu, GUEST_IN, 4, PORT + 8, 0)->repeat = 11;
	guest_add(g, vcpu, GUEST_IN, 1, PORT + 16, 0)->repeat = 13;
	guest_add(g, vcpu, GUEST_IN, 1, PORT + 20, 0)->repeat = 4;
	guest_add(g, vcpu, GUEST_READ, 8, MMIO, 0)->repeat = 6;
	guest_add(g, vcpu, GUEST_WRITE, 2, MMIO, 0)->repeat = 5;
	/* Across two pages: KVM makes 3 and 5 bytes of it. */
	guest_add(g, vcpu, GUEST_READ, 8, MMIO + 4093, 0);
	if (guest_run(g, vcpu))
		abort();
}

/* What use_all() makes of the bus with all ports, and of all. */
static const struct { const char *name; long long n; } used[] = {
	{ "pio_read_served", 3 + 7 + 9 + 11 + 13 },
	{ "pio_read_passed", 4 },
	{ "pio_write_served", 2 + RING + 1 },
	{ "pio_write_passed", 2 + 3 },
	{ "mmio_read_served", 6 },
	{ "mmio_read_passed", 2 },
	{ "mmio_write_served", 0 },
	{ "mmio_write_passed", 5 },
	{ "served", 43 + 3 + RING + 6 },
	{ "passed", 4 + 5 + 2 + 5 },
	{ "served_time", 43 + 3 + RING + 6 },
	{ "shadow", 3 + 2 + 6 },
	{ "const", 7 },
	{ "post", RING },
	{ "event", 1 },
	{ "indexed", 9 },
	{ "clock", 11 },
	{ "clear", 13 },
	{ "no_rule", 3 + 4 + 5 },
	{ "ring_full", 2 },
	{ "off", 0 },
	{ "width", 2 },
	{ "ring_signals", 1 },
	{ "pio_read_shadow", 3 },
	{ "pio_write_shadow", 2 },
	{ "pio_read_const", 7 },
	{ "pio_write_post", RING },
	{ "pio_write_event", 1 },
	{ "pio_read_indexed", 9 },
	{ "pio_read_clock", 11 },
	{ "pio_read_clear", 13 },
	{ "pio_read_no_rule", 4 },
	{ "pio_write_no_rule", 3 },
	{ "pio_write_ring_full", 2 },
	{ "mmio_read_shadow", 6 },
	{ "mmio_read_width", 2 },
	{ "mmio_write_no_rule", 5 },
	{ "mmio_write_off", 0 },
};

#define EXPECT_USED(times) do {						\
	for (size_t i_ = 0; i_ < ARRAY_LEN(used); i_++) {			\
		EXPECT_NUMBER(used[i_].n * (times), used[i_].name);		\
	}								\
} while (0)

TEST_F(stats, layout)
{
	static const uint32_t whats[] = {
		VIREO_STATS_VM, VIREO_STATS_REGION, VIREO_STATS_VCPU,
	};
	static const char *const names[] = { "a machine", "ports", "vcpu0" };

	for (size_t w = 0; w < ARRAY_LEN(whats); w++) {
		const struct vireo_stats_header *h = header(self->record);
		const struct vireo_stats_desc *d;
		uint32_t end = 0;

		ASSERT_EQ(TAKE(whats[w], 0, 0), 0);
		EXPECT_EQ(h->version, VIREO_STATS_VERSION);
		EXPECT_EQ(h->name_size, VIREO_STATS_NAME_SIZE);
		EXPECT_GE(h->id_offset, sizeof(*h));
		EXPECT_EQ(strcmp((char *)self->record + h->id_offset, names[w]),
			  0);
		EXPECT_GT(h->num_desc, 10);
		EXPECT_EQ(h->data_offset % 8, 0);
		EXPECT_LE(h->desc_offset + h->num_desc * sizeof(*d),
			  h->data_offset);

		d = descs(self->record);
		for (uint32_t i = 0; i < h->num_desc; i++) {
			EXPECT_LT(strnlen(d[i].name, sizeof(d[i].name)),
				  sizeof(d[i].name));
			/* No name twice. */
			EXPECT_EQ(find(self->record, d[i].name), &d[i]) {
				TH_LOG("%s", d[i].name);
			}
			EXPECT_LE(d[i].type, VIREO_STATS_LOG_HIST);
			EXPECT_LE(d[i].unit, VIREO_STATS_CYCLES);
			EXPECT_EQ(d[i].offset, end);
			EXPECT_GE(d[i].size, 1);
			end += d[i].size * 8;
		}
		EXPECT_EQ(h->data_offset + end, self->arg.len);
	}
}

TEST_F(stats, kinds)
{
	const struct vireo_stats_desc *d;

	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	d = find(self->record, "area_bytes");
	ASSERT_NE(d, NULL);
	EXPECT_EQ(d->type, VIREO_STATS_INSTANT);
	EXPECT_EQ(d->unit, VIREO_STATS_BYTES);
	d = find(self->record, "user_time");
	ASSERT_NE(d, NULL);
	EXPECT_EQ(d->type, VIREO_STATS_LOG_HIST);
	EXPECT_EQ(d->unit, VIREO_STATS_CYCLES);
	EXPECT_EQ(d->size, VIREO_NR_BUCKETS);
	EXPECT_GT(number(self->record, "tsc_khz"), 0);

	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	d = find(self->record, "ring_peak");
	ASSERT_NE(d, NULL);
	EXPECT_EQ(d->type, VIREO_STATS_PEAK);
	d = find(self->record, "served_time");
	ASSERT_NE(d, NULL);
	EXPECT_EQ(d->type, VIREO_STATS_LOG_HIST);
}

TEST_F(stats, errors)
{
	struct vireo_stats good = self->arg;
	int status;
	pid_t pid;

	self->arg.flags = 2;
	EXPECT_EQ(STATS(), -EINVAL);
	self->arg = good;
	self->arg.reserved = 1;
	EXPECT_EQ(STATS(), -EINVAL);
	self->arg = good;
	self->arg.what = 4;
	EXPECT_EQ(STATS(), -EINVAL);
	self->arg = good;
	self->arg.id = 1;
	EXPECT_EQ(STATS(), -EINVAL);
	self->arg = good;
	self->arg.size--;
	EXPECT_EQ(STATS(), -EINVAL);
	self->arg = good;

	EXPECT_EQ(TAKE(VIREO_STATS_REGION, 100, 0), -ENOENT);
	EXPECT_EQ(TAKE(VIREO_STATS_REGION, ~0U, 0), -ENOENT);
	EXPECT_EQ(TAKE(VIREO_STATS_VCPU, OWN, 0), -ENOENT);
	EXPECT_EQ(TAKE(VIREO_STATS_VCPU, ~0U, VIREO_STATS_RESET), -ENOENT);
	ASSERT_EQ(io_del(self->vm, self->memory), 0);
	EXPECT_EQ(TAKE(VIREO_STATS_REGION, self->memory, 0), -ENOENT);

	self->arg = good;
	self->arg.buf = 0;
	EXPECT_EQ(STATS(), -EFAULT);
	self->arg.buf = ~0ULL - 100;
	EXPECT_EQ(STATS(), -EFAULT);
	EXPECT_EQ(IOCTL(self->vm, VIREO_STATS, NULL), -EFAULT);

	pid = fork();
	ASSERT_GE(pid, 0);
	self->arg = good;
	if (!pid)
		_exit(STATS() == -EPERM ? 0 : 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST_F(stats, short_buffer)
{
	uint32_t whole;

	use_all(self->g, 0);
	self->arg.len = 0;
	self->arg.buf = 0;
	self->arg.flags = VIREO_STATS_RESET;
	ASSERT_EQ(STATS(), 0);
	whole = self->arg.len;
	EXPECT_GT(whole, 1000);

	/* So many are filled, and nothing is reset. */
	memset(self->record, 0xaa, RECORD_MAX);
	self->arg.buf = (uintptr_t)self->record;
	self->arg.len = whole - 8;
	ASSERT_EQ(STATS(), 0);
	EXPECT_EQ(self->arg.len, whole);
	EXPECT_EQ(header(self->record)->version, VIREO_STATS_VERSION);
	EXPECT_EQ(self->record[whole - 8], 0xaa);
	EXPECT_NE(self->record[whole - 9], 0xaa);

	/* No byte beyond. */
	self->arg.len = RECORD_MAX;
	self->arg.flags = 0;
	ASSERT_EQ(STATS(), 0);
	EXPECT_EQ(self->arg.len, whole);
	EXPECT_EQ(self->record[whole], 0xaa);
	EXPECT_USED(1);
}

TEST_F(stats, fault_resets_nothing)
{
	use_all(self->g, 0);
	self->arg.flags = VIREO_STATS_RESET;
	self->arg.buf = (uintptr_t)self->record + RECORD_MAX - 64;
	self->arg.len = RECORD_MAX;
	munmap(self->record + RECORD_MAX - 4096, 4096);
	EXPECT_EQ(STATS(), -EFAULT);
	self->arg.buf = (uintptr_t)self->record;
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(1);
}

TEST_F(stats, vm)
{
	use_all(self->g, 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(1);
	EXPECT_NUMBER(OWN, "vcpus");
	EXPECT_NUMBER(2, "regions");
	EXPECT_NUMBER(2, "regions_added");
	EXPECT_NUMBER(3 * 4096, "area_bytes");

	/* It stays when the regions go. */
	ASSERT_EQ(io_del(self->vm, self->ports), 0);
	ASSERT_EQ(io_del(self->vm, self->memory), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(1);
	EXPECT_NUMBER(0, "regions");
	EXPECT_NUMBER(2, "regions_added");
	EXPECT_NUMBER(0, "area_bytes");
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 0, 0), 0);
	EXPECT_USED(1);
}

TEST_F(stats, region)
{
	use_all(self->g, 0);
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	EXPECT_NUMBER(3 + 2, "shadow");
	EXPECT_NUMBER(7, "const");
	EXPECT_NUMBER(RING, "post");
	EXPECT_NUMBER(1, "event");
	EXPECT_NUMBER(9, "indexed");
	EXPECT_NUMBER(11, "clock");
	EXPECT_NUMBER(13, "clear");
	EXPECT_NUMBER(43, "reads");
	EXPECT_NUMBER(3 + RING, "writes");
	EXPECT_NUMBER(4, "reads_passed");
	EXPECT_NUMBER(5, "writes_passed");
	EXPECT_NUMBER(3 + 4, "no_rule");
	EXPECT_NUMBER(2, "ring_full");
	EXPECT_NUMBER(0, "off");
	EXPECT_NUMBER(0, "width");
	EXPECT_NUMBER(1, "ring_signals");
	EXPECT_NUMBER(RING, "ring_peak");
	EXPECT_NUMBER(RING, "ring_entries");
	EXPECT_NUMBER(46 + RING, "served_time");
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->memory, 0), 0);
	EXPECT_NUMBER(6, "reads");
	EXPECT_NUMBER(2, "width");
	EXPECT_NUMBER(0, "ring_entries");
	EXPECT_NUMBER(6, "served_time");
}

TEST_F(stats, off)
{
	ASSERT_EQ(io_disable(self->vm, self->ports), 0);
	guest_access(self->g, GUEST_IN, 1, PORT, 0, NULL);
	guest_access(self->g, GUEST_OUT, 1, PORT, 0, NULL);
	guest_access(self->g, GUEST_OUT, 1, PORT + 20, 0, NULL);
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	EXPECT_NUMBER(3, "off");
	EXPECT_NUMBER(0, "no_rule");
	EXPECT_NUMBER(1, "reads_passed");
	EXPECT_NUMBER(2, "writes_passed");
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(1, "pio_read_off");
	EXPECT_NUMBER(2, "pio_write_off");
}

TEST_F(stats, ring_peak)
{
	struct vireo_post post;
	struct area area;

	ASSERT_EQ(area_map(self->vm, self->ports, RING, &area), 0);
	guest_access(self->g, GUEST_OUT, 1, PORT + 2, 0, NULL);
	guest_access(self->g, GUEST_OUT, 1, PORT + 2, 0, NULL);
	for (int i = 0; i < 2; i++) {
		EXPECT_TRUE(ring_take(area.ring, &post));
		EXPECT_TRUE(ring_take(area.ring, &post) || i);
		guest_access(self->g, GUEST_OUT, 1, PORT + 2, 0, NULL);
	}
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, VIREO_STATS_RESET), 0);
	EXPECT_NUMBER(2, "ring_peak");
	/* An owner that claims nonsense does no harm. */
	area.ring->head -= 1000;
	guest_access(self->g, GUEST_OUT, 1, PORT + 2, 0, NULL);
	area.ring->head += 1000 + 500;
	guest_access(self->g, GUEST_OUT, 1, PORT + 2, 0, NULL);
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	EXPECT_LE(number(self->record, "ring_peak"), RING);
	area_unmap(&area);
}

TEST_F(stats, vcpus_have_their_own)
{
	for (int i = 0; i < VCPUS; i++) {
		for (int n = 0; n <= i; n++)
			guest_add(self->g, i, GUEST_IN, 1, PORT, 0);
		ASSERT_EQ(guest_run(self->g, i), 0);
	}
	for (int i = 0; i < OWN; i++) {
		ASSERT_EQ(TAKE(VIREO_STATS_VCPU, i, 0), 0);
		EXPECT_NUMBER(i + 1, "pio_read_shadow");
		EXPECT_NUMBER(i + 1, "served");
		EXPECT_NUMBER(i + 1, "served_time");
	}
	/* The last one's are in the sums. */
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(1 + 2 + 3, "served");
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	EXPECT_NUMBER(1 + 2 + 3, "reads");
}

/* All that a shared set counts. */
TEST_F(stats, shared)
{
	use_all(self->g, OWN);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(1);
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 0, 0), 0);
	EXPECT_USED(0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, VIREO_STATS_RESET), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(0);
}

TEST_F(stats, reset_a_region)
{
	long long total = stat_value(STATS_ROOT "/exits", "served");

	use_all(self->g, 0);
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, VIREO_STATS_RESET), 0);
	EXPECT_NUMBER(43, "reads");
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->ports, 0), 0);
	EXPECT_NUMBER(0, "reads");
	EXPECT_NUMBER(0, "served_time");
	EXPECT_NUMBER(0, "ring_full");
	EXPECT_NUMBER(0, "ring_peak");
	EXPECT_NUMBER(RING, "ring_entries");
	/* The other region has its numbers, and the VM those. */
	ASSERT_EQ(TAKE(VIREO_STATS_REGION, self->memory, 0), 0);
	EXPECT_NUMBER(6, "reads");
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(6, "served");

	guest_access(self->g, GUEST_IN, 1, PORT, 0, NULL);
	EXPECT_EQ(region_stat(self->dir, "ports", "reads"), 1);
	ASSERT_EQ(io_del(self->vm, self->ports), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(7, "served");
	/* Nothing is taken from the totals. */
	EXPECT_GE(stat_value(STATS_ROOT "/exits", "served"), total + 56 + 1);
	close(self->vm);
	EXPECT_GE(stat_value(STATS_ROOT "/exits", "served"), total + 56 + 1);
}

TEST_F(stats, reset_a_vcpu)
{
	use_all(self->g, 0);
	use_all(self->g, 1);
	ASSERT_EQ(io_del(self->vm, self->memory), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 0, VIREO_STATS_RESET), 0);
	EXPECT_NUMBER(11, "clock");
	EXPECT_NUMBER(6, "mmio_read_served");
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 0, 0), 0);
	EXPECT_USED(0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(11, "clock");
	EXPECT_NUMBER(6, "mmio_read_served");
}

TEST_F(stats, reset_a_vm)
{
	use_all(self->g, 0);
	use_all(self->g, 1);
	ASSERT_EQ(io_del(self->vm, self->memory), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, VIREO_STATS_RESET), 0);
	EXPECT_NUMBER(22, "clock");
	for (int i = 0; i < OWN; i++) {
		ASSERT_EQ(TAKE(VIREO_STATS_VCPU, i, 0), 0);
		EXPECT_USED(0);
	}
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_USED(0);
	EXPECT_NUMBER(1, "regions");
	EXPECT_NUMBER(0, "regions_added");
}

struct runner {
	struct guest *g;
	int vcpu;
	int ret;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = guest_run(r->g, r->vcpu);
	return NULL;
}

/* No access is lost, or counted twice, while readers reset. */
TEST_F(stats, reset_while_counting)
{
	struct runner r[VCPUS];
	pthread_t t[VCPUS];
	const int n = 20000;
	long long sum = 0;

	for (int i = 0; i < VCPUS; i++) {
		r[i] = (struct runner){ self->g, i, -1 };
		guest_add(self->g, i, GUEST_IN, 1, PORT, 0)->repeat = n;
	}
	for (int i = 0; i < VCPUS; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, run_thread, &r[i]), 0);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, VIREO_STATS_RESET), 0);
		sum += number(self->record, "served");
		usleep(2000);
	}
	for (int i = 0; i < VCPUS; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(r[i].ret, 0);
	}
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, VIREO_STATS_RESET), 0);
	sum += number(self->record, "served");
	EXPECT_EQ(sum, VCPUS * (long long)n);
}

TEST_F(stats, files_agree)
{
	static const char *const files[] = {
		[VIREO_STATS_VM] = "exits", [VIREO_STATS_VCPU] = "vcpu1/exits",
	};
	char path[128], info[128];

	use_all(self->g, 1);
	snprintf(info, sizeof(info), "%s/info", self->dir);
	for (int what = 0; what <= VIREO_STATS_VCPU; what++) {
		const struct vireo_stats_desc *d;

		ASSERT_EQ(TAKE(what, what == VIREO_STATS_VCPU, 0), 0);
		d = descs(self->record);
		for (uint32_t i = 0; i < header(self->record)->num_desc; i++) {
			long long n = number(self->record, d[i].name), file;

			if (d[i].size > 1)
				continue;
			if (what == VIREO_STATS_REGION) {
				file = region_stat(self->dir, "ports",
						   d[i].name);
			} else {
				snprintf(path, sizeof(path), "%s/%s", self->dir,
					 files[what]);
				file = stat_value(path, d[i].name);
				if (file < 0 && what == VIREO_STATS_VM)
					file = stat_value(info, d[i].name);
				/* Not shown if there are none. */
				if (file < 0 &&
				    !strncmp(d[i].name, "user_", 5))
					file = 0;
			}
			EXPECT_EQ(file, n) { TH_LOG("%s", d[i].name); }
		}
	}
}

TEST_F(stats, user_exits)
{
	struct vireo_vcpu_page *page;
	char path[128];
	int fd = self->g->runner[1];

	if (fd == self->g->vcpu[1])
		fd = guest_vcpu_create(self->g, self->vm, 1);
	ASSERT_GE(fd, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(page, MAP_FAILED);
	page->exits[KVM_EXIT_IO] = 5;
	page->exits[KVM_EXIT_INTR] = 3;
	page->exits[20] = 2;
	page->exits[VIREO_NR_EXITS - 1] = 1;
	page->user_time[0] = 1;
	page->user_time[11] = 9;
	page->user_time[VIREO_NR_BUCKETS - 1] = 1;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(TAKE(i ? VIREO_STATS_VM : VIREO_STATS_VCPU, !i, 0),
			  0);
		EXPECT_NUMBER(11, "user");
		EXPECT_NUMBER(5, "user_io");
		EXPECT_NUMBER(3, "user_intr");
		EXPECT_NUMBER(2, "user_20");
		EXPECT_NUMBER(1, "user_other");
		EXPECT_NUMBER(0, "user_mmio");
		EXPECT_NUMBER(11, "user_time");
		EXPECT_EQ(data(self->record, find(self->record,
						  "user_time"))[11], 9);
	}
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 0, 0), 0);
	EXPECT_NUMBER(0, "user");
	snprintf(path, sizeof(path), "%s/vcpu1/exits", self->dir);
	EXPECT_EQ(stat_value(path, "user_io"), 5);
	EXPECT_EQ(stat_value(path, "user_20"), 2);

	/* Reset writes nothing that the owner counts. */
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 1, VIREO_STATS_RESET), 0);
	EXPECT_EQ(page->exits[KVM_EXIT_IO], 5);
	page->exits[KVM_EXIT_IO]++;
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 1, 0), 0);
	EXPECT_NUMBER(1, "user");

	/* They stay with the VM. */
	munmap(page, 4096);
	close(fd);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(1, "user_io");
	ASSERT_EQ(TAKE(VIREO_STATS_VCPU, 1, 0), 0);
	EXPECT_NUMBER(0, "user");
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, VIREO_STATS_RESET), 0);
	ASSERT_EQ(TAKE(VIREO_STATS_VM, 0, 0), 0);
	EXPECT_NUMBER(0, "user");
}

/* The VM's descriptor may be closed before its vCPUs', and the other way. */
TEST_F(stats, vcpu_outlives_vm)
{
	int fd = guest_vcpu_create(self->g, self->vm, 0);

	if (fd == -EEXIST)
		fd = self->g->runner[0];
	ASSERT_GE(fd, 0);
	close(self->vm);
	close(fd);
}

TEST_HARNESS_MAIN

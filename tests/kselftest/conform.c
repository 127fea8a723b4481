// SPDX-License-Identifier: GPL-2.0
/*
 * The module in the kernel, asked by a guest, against the VMM's interpreter:
 * tests/conform/ on both buses.
 *
 * VIREO_CONFORM       accesses on each bus (default 20000)
 * VIREO_CONFORM_SEED  where to begin
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../conform/conform.h"
#include "common.h"
#include "guest.h"

/* Not aligned, and with no page's end near. */
#define BASE_PIO 0x503
#define BASE_MMIO 0x10000105ULL
#define ALL_USER (GUEST_USER_BYTE * 0x0101010101010101ULL)

struct in_kernel {
	struct conform_target target;
	struct guest *g;
	bool mmio;
	int vm;
	int id;
	int event[CONFORM_EVENTS + 1];	/* the last is the ring's */
	struct area area;
	/* Of each exit: the guest's address of the step. */
	uint64_t step[CONFORM_MAX_BATCH];
	int nr_steps;
};

static struct in_kernel *to_in_kernel(struct conform_target *t)
{
	return (struct in_kernel *)t;
}

static int kernel_open(struct conform_target *t, const struct conform_region *r)
{
	struct in_kernel *k = to_in_kernel(t);
	struct vireo_rule rules[CONFORM_MAX_RULES];
	struct vireo_io_add add;
	int ret;

	memcpy(rules, r->rules, sizeof(rules));
	for (uint32_t i = 0; i < r->nr_rules; i++)
		if (rules[i].type == VIREO_RULE_EVENT ||
		    (rules[i].type == VIREO_RULE_CLEAR && rules[i].fd >= 0))
			rules[i].fd = k->event[rules[i].fd];
	add = io_template(k->mmio ? VIREO_BUS_MMIO : VIREO_BUS_PIO,
			  k->mmio ? BASE_MMIO : BASE_PIO, r->len, rules,
			  r->nr_rules);
	add.shadow_pages = r->shadow_pages;
	add.ring_entries = r->ring_entries;
	if (r->ring_entries)
		add.ring_fd = k->event[CONFORM_EVENTS];
	k->id = io_add(k->vm, &add);
	if (k->id < 0)
		return k->id;
	ret = area_map_pages(k->vm, k->id, r->shadow_pages, r->ring_entries,
			     &k->area);
	if (ret)
		return ret;
	t->shadow = k->area.shadow;
	t->ring = k->area.ring;
	return 0;
}

static void kernel_close(struct conform_target *t)
{
	struct in_kernel *k = to_in_kernel(t);

	area_unmap(&k->area);
	io_del(k->vm, k->id);
}

static int kernel_enable(struct conform_target *t, bool enable)
{
	struct in_kernel *k = to_in_kernel(t);

	return enable ? io_enable(k->vm, k->id) : io_disable(k->vm, k->id);
}

static uint64_t mask(unsigned int width)
{
	return width == 8 ? ~0ULL : (1ULL << width * 8) - 1;
}

/* The guest has its step in rsi. */
static void note_step(struct guest *g, const struct guest_exit *e)
{
	struct in_kernel *k = g->on_exit_arg;
	struct kvm_regs regs;

	(void)e;
	if (k->nr_steps == CONFORM_MAX_BATCH ||
	    ioctl(g->vcpu[0], KVM_GET_REGS, &regs))
		return;
	k->step[k->nr_steps++] = regs.rsi;
}

static bool is_of(const struct guest_exit *e, uint64_t addr,
		  const struct conform_access *a)
{
	return e->addr == addr && e->width == a->width && e->count == 1 &&
	       e->write == a->write && (!a->write || e->data == a->data);
}

static int kernel_run(struct conform_target *t, struct conform_access *a,
		      unsigned int nr)
{
	struct in_kernel *k = to_in_kernel(t);
	const enum guest_kind rd = k->mmio ? GUEST_READ : GUEST_IN;
	const enum guest_kind wr = k->mmio ? GUEST_WRITE : GUEST_OUT;
	const uint64_t base = k->mmio ? BASE_MMIO : BASE_PIO;
	struct guest_op *op[CONFORM_MAX_BATCH];
	int exits = 0, ret;

	guest_reset(k->g);
	k->nr_steps = 0;
	for (unsigned int i = 0; i < nr; i++)
		op[i] = guest_add(k->g, 0, a[i].write ? wr : rd, a[i].width,
				  base + a[i].off, a[i].data);
	ret = guest_run(k->g, 0);
	if (ret)
		return ret;
	if (k->nr_steps != k->g->nr_exits)
		return -EPROTO;
	for (unsigned int i = 0; i < nr; i++) {
		a[i].passed = exits < k->nr_steps &&
			      k->g->mem + k->step[exits] == (uint8_t *)op[i];
		if (!a[i].passed) {
			a[i].value = a[i].write ? 0 : op[i]->data;
			continue;
		}
		if (!is_of(&k->g->exits[exits++], base + a[i].off, &a[i]))
			return -EPROTO;
		if (!a[i].write && op[i]->data != (ALL_USER & mask(a[i].width)))
			return -EILSEQ;
	}
	/* Each access left the kernel once at most. */
	return exits == k->nr_steps ? 0 : -EPROTO;
}

static uint64_t kernel_events(struct conform_target *t, unsigned int event)
{
	return eventfd_take(to_in_kernel(t)->event[event]);
}

FIXTURE(conform)
{
	struct in_kernel k;
	int dev;
};

FIXTURE_VARIANT(conform)
{
	bool mmio;
};

FIXTURE_VARIANT_ADD(conform, pio)
{
	.mmio = false,
};

FIXTURE_VARIANT_ADD(conform, mmio)
{
	.mmio = true,
};

FIXTURE_SETUP(conform)
{
	struct vireo_info info = { .size = sizeof(info) };
	struct in_kernel *k = &self->k;
	int ret;

	k->target = (struct conform_target){
		.max_width = variant->mmio ? 8 : 4,
		.real_time = true,
		.open = kernel_open,
		.close = kernel_close,
		.enable = kernel_enable,
		.run = kernel_run,
		.events = kernel_events,
	};
	k->mmio = variant->mmio;
	k->g = mmap(NULL, sizeof(*k->g), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(k->g, 1);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	k->g->on_exit = note_step;
	k->g->on_exit_arg = k;
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	if (info.exit_path == VIREO_EXIT_PATH_OFF)
		SKIP(return, "the exit path is off: %s", info.why);
	k->vm = vireo_vm_open(self->dev, k->g->vm, "conform");
	ASSERT_GE(k->vm, 0);
	ASSERT_EQ(guest_attach(k->g, self->dev, k->vm), 0);
	for (size_t i = 0; i < ARRAY_LEN(k->event); i++)
		k->event[i] = eventfd(0, EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(conform)
{
	guest_destroy(self->k.g);
}

TEST_F_TIMEOUT(conform, random_regions, 3600)
{
	struct conform_counts n;
	char why[400] = "";

	ASSERT_EQ(conform_run(&self->k.target,
			      conform_env("VIREO_CONFORM_SEED", 1),
			      conform_env("VIREO_CONFORM", 20000), &n, why,
			      sizeof(why)), 0) {
		TH_LOG("%s", why);
	}
	TH_LOG("%lu accesses of %lu regions: %lu served, %lu passed, %lu of them full rings, %lu posts, %lu events, %lu clocks",
	       n.accesses, n.regions, n.served, n.passed, n.full, n.posts,
	       n.events, n.clocks);
	/* Else it compared nothing of interest. */
	EXPECT_GT(n.served, n.accesses / 4);
	EXPECT_TRUE(n.full && n.posts && n.events && n.clocks);
}

TEST_HARNESS_MAIN

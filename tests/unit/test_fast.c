// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of every device against the device itself: after any history of
 * accesses, what a rule reads is what the device would have read.
 */
#include "machine.h"

#include "config.h"
#include "device/pci.h"
#include "fastpath.h"

#define SEEDS 20
#define STEPS 400
#define CF8 0xcf8

struct checks {
	const char *name;
	unsigned int decided;
};

struct fast_machine {
	struct machine *m;
	struct config cfg;
	uint64_t rng;
	unsigned int seed;
	struct checks checks[16];
};

static uint32_t rnd(struct fast_machine *f)
{
	f->rng = f->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(f->rng >> 33);
}

/* ---- comparing -------------------------------------------------------------
 */

static void count(struct fast_machine *f, const char *name)
{
	struct checks *c = f->checks;

	while (c->name && strcmp(c->name, name))
		c++;
	assert_true(c < f->checks + 15);
	c->name = name;
	c->decided++;
}

static bool is_clock(const struct fast_region *r, uint64_t off)
{
	uint32_t i;

	for (i = 0; i < r->nr_rules; i++)
		if (r->rules[i].type == VIREO_RULE_CLOCK &&
		    off - r->rules[i].offset < r->rules[i].len)
			return true;
	return false;
}

static void compare(struct fast_machine *f, struct bus_range *range,
		    uint64_t off, unsigned int size)
{
	uint64_t mask = size < 8 ? (1ULL << 8 * size) - 1 : UINT64_MAX;
	uint64_t before, got, after;

	if (!fast_rules_read(range->fast, off, size).known)
		return;
	before = range->ops->read(range->dev, off, size) & mask;
	got = fast_rules_read(range->fast, off, size).val;
	after = range->ops->read(range->dev, off, size) & mask;
	got &= mask;
	count(f, range->name);
	if (is_clock(range->fast, off)) {
		/* Of a part of a clock the middle may have wrapped. */
		if (size == 4 &&
		    ((got - before) & 0xffffff) > ((after - before) & 0xffffff))
			fail_msg("seed %u: %s+%#llx: %#llx not in %#llx..%#llx",
				 f->seed, range->name, (unsigned long long)off,
				 (unsigned long long)got,
				 (unsigned long long)before,
				 (unsigned long long)after);
		return;
	}
	if (got != before)
		fail_msg("seed %u: %s+%#llx, %u bytes: %#llx, device %#llx",
			 f->seed, range->name, (unsigned long long)off, size,
			 (unsigned long long)got, (unsigned long long)before);
}

static void compare_all(struct fast_machine *f)
{
	struct bus *pio = &f->m->vm.pio;
	struct bus_range *range;
	unsigned int i, size;
	uint64_t off;

	for (i = 0; i < pio->count; i++) {
		range = pio->slots[i].range;
		if (!range->fast)
			continue;
		for (off = 0; off < range->fast->rules_end; off++)
			for (size = 1; size <= 4; size *= 2)
				if (off + size <= range->len)
					compare(f, range, off, size);
	}
}

/* ---- a machine and a history ----------------------------------------------
 */

static void setup(struct fast_machine *f, unsigned int seed)
{
	memset(f, 0, sizeof(*f));
	f->seed = seed;
	f->rng = seed;
	f->cfg.cpus = 1;
	f->m = machine_new();
	f->m->vm.cfg = &f->cfg;
	machine_add(f->m, &q35_host_class, NULL);
	machine_add(f->m, &ich9_lpc_class, NULL);
	machine_add(f->m, &rtc_class, NULL);
	machine_add(f->m, &i8042_class, NULL);
	machine_add(f->m, &serial_class, "none");
}

static void step(struct fast_machine *f)
{
	struct machine *m = f->m;
	const struct bus_slot *slot =
		&m->vm.pio.slots[rnd(f) % m->vm.pio.count];
	uint64_t len = slot->last - slot->base + 1;
	uint16_t port = (uint16_t)(slot->base + rnd(f) % (len < 12 ? len : 12));
	unsigned int size = 1U << rnd(f) % 3;
	static const uint32_t functions[] = { PCI_DEVFN(0, 0), PCI_DEVFN(31, 0),
					      PCI_DEVFN(31, 1), PCI_DEVFN(5, 0),
					      0x100 };

	/* Rarely a useful address by chance. */
	if (slot->base == CF8 && rnd(f) % 2)
		out(m, CF8, 4,
		    (rnd(f) % 8 ? 0x80000000 : 0) | functions[rnd(f) % 5] << 8 |
			    (rnd(f) % 2 ? 4 : rnd(f) & 0xff));
	else if (rnd(f) % 3)
		out(m, port, size, rnd(f));
	else
		in(m, port, size);
}

static void test_rules_are_the_device(void **state)
{
	struct fast_machine f;
	unsigned int seed, i;
	struct checks *c;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		setup(&f, seed);
		compare_all(&f);
		for (i = 0; i < STEPS; i++) {
			step(&f);
			compare_all(&f);
			if (i == STEPS / 2)
				devices_reset(&f.m->vm);
		}
		for (c = f.checks; c->name; c++)
			assert_true(c->decided > 50);
		assert_int_equal(c - f.checks, 5);
		machine_free(f.m);
	}
}

/* ---- a window onto what has side effects ----------------------------------
 */

static uint64_t read_known(struct fast_region *region, uint64_t off,
			   unsigned int size)
{
	struct fast_value v = fast_rules_read(region, off, size);

	assert_true(v.known);
	return v.val;
}

static void test_live_configuration(void **state)
{
	struct fast_machine f;
	struct pci_host *host;
	struct pci_dev *lpc;

	(void)state;
	setup(&f, 1);
	host = f.m->vm.pci;
	lpc = host->devs[PCI_DEVFN(31, 0)];
	out(f.m, CF8, 4, 0x8000f800);
	assert_true(fast_rules_read(host->window, 4, 4).known);
	assert_true(fast_rules_peek(host->window, 4, 4).known);
	pci_config_live(lpc, true);
	assert_false(fast_rules_read(host->window, 4, 4).known);
	assert_false(fast_rules_peek(host->window, 4, 4).known);
	assert_int_equal(in(f.m, CF8 + 4, 4), 0x29188086);
	/* The address is latched all the same, and counts again later. */
	out(f.m, CF8, 4, 0x80000000);
	assert_int_equal(in(f.m, CF8, 4), 0x80000000);
	assert_int_equal(in(f.m, CF8 + 4, 4), 0x29c08086);
	pci_config_live(lpc, false);
	assert_int_equal(read_known(host->window, 4, 4), 0x29c08086);
	/* Reset ends it. */
	pci_config_live(lpc, true);
	devices_reset(&f.m->vm);
	out(f.m, CF8, 4, 0x8000f800);
	assert_int_equal(read_known(host->window, 4, 4), 0x29188086);
	machine_free(f.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_are_the_device),
		cmocka_unit_test(test_live_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <errno.h>
#include <linux/pci_regs.h>

#include "device/pci.h"

/* ---- a function with one BAR of each type
 * ------------------------------------ */

struct probe {
	struct pci_dev pci;
	uint64_t off;
	unsigned int reads;
	int mapped; /* by bar_mapped */
	unsigned int written_off;
};

static uint64_t probe_read(void *dev, uint64_t off, unsigned int size)
{
	struct probe *p = dev;

	(void)size;
	p->off = off;
	p->reads++;
	return 0x42;
}

static void probe_write(void *dev, uint64_t off, unsigned int size,
			uint64_t val)
{
	(void)dev;
	(void)off;
	(void)size;
	(void)val;
}

static const struct bus_ops probe_ops = { probe_read, probe_write };

static void probe_mapped(struct pci_dev *pci, unsigned int nr, bool mapped)
{
	(void)nr;
	((struct probe *)pci)->mapped += mapped ? 1 : -1;
}

static void probe_written(struct pci_dev *pci, unsigned int off,
			  unsigned int size)
{
	(void)size;
	((struct probe *)pci)->written_off = off;
}

static int probe_realize(struct device *dev, const void *config,
			 struct error *err)
{
	static const struct pci_ids ids = {
		.vendor = 0x1af4,
		.device = 0x1042,
		.subsystem_vendor = 0x1234,
		.subsystem = 0x5678,
		.class_rev = 0x01000001,
	};
	struct probe *p = (struct probe *)dev;
	struct bus_range range = {
		.name = dev->id,
		.ops = &probe_ops,
		.dev = p,
		.lock = &dev->lock,
	};
	int ret;

	(void)config;
	ret = pci_dev_init(&p->pci, -1, &ids, err);
	if (ret < 0)
		return ret;
	p->pci.config[PCI_INTERRUPT_PIN] = 1;
	p->pci.bar_mapped = probe_mapped;
	p->pci.config_written = probe_written;
	range.len = 32;
	pci_bar_init(&p->pci, 0, PCI_BAR_IO, &range);
	range.len = 8192;
	pci_bar_init(&p->pci, 1, PCI_BAR_MEM32, &range);
	range.len = 16384;
	pci_bar_init(&p->pci, 2, PCI_BAR_MEM64, &range);
	ret = pci_msix_init(&p->pci, 4, 3);
	assert_int_equal(ret, 0);
	return 0;
}

static void probe_reset(struct device *dev)
{
	pci_dev_reset((struct pci_dev *)dev);
}

static void probe_unrealize(struct device *dev)
{
	pci_dev_destroy((struct pci_dev *)dev);
}

static const struct dev_class probe_class = {
	.name = "probe",
	.size = sizeof(struct probe),
	.realize = probe_realize,
	.reset = probe_reset,
	.unrealize = probe_unrealize,
};

/* ---- access
 * --------------------------------------------------------------------- */

#define SLOT1 PCI_DEVFN(1, 0)
#define SLOT2 PCI_DEVFN(2, 0)
#define CMD_ALL (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)

static uint32_t rd(struct machine *m, unsigned int bdf, unsigned int reg,
		   unsigned int size)
{
	out(m, 0xcf8, 4, 0x80000000 | bdf << 8 | (reg & 0xfc));
	return in(m, (uint16_t)(0xcfc + (reg & 3)), size);
}

static void wr(struct machine *m, unsigned int bdf, unsigned int reg,
	       unsigned int size, uint32_t val)
{
	out(m, 0xcf8, 4, 0x80000000 | bdf << 8 | (reg & 0xfc));
	out(m, (uint16_t)(0xcfc + (reg & 3)), size, val);
}

static uint64_t mmio(struct machine *m, uint64_t addr, unsigned int size)
{
	return bus_read(&m->vm.mmio, &m->mmio, addr, size);
}

static bool answers(struct machine *m, uint64_t addr)
{
	return mmio(m, addr, 4) == 0x42;
}

static int setup(void **state)
{
	struct machine *m = machine_new();

	machine_add(m, &q35_host_class, NULL);
	machine_add(m, &ich9_lpc_class, NULL);
	machine_add(m, &probe_class, NULL);
	machine_add(m, &probe_class, NULL);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

static struct probe *probe(struct machine *m, unsigned int devfn)
{
	return (struct probe *)m->vm.pci->devs[devfn];
}

/* ---- tests
 * ------------------------------------------------------------------------ */

static void test_ids(void **state)
{
	struct machine *m = *state;

	assert_int_equal(rd(m, 0, 0, 4), 0x29c08086);
	assert_int_equal(rd(m, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(rd(m, 0, 0x60, 4), PCI_ECAM_BASE | 5);
	assert_int_equal(rd(m, PCI_DEVFN(31, 0), 0, 4), 0x29188086);
	assert_int_equal(rd(m, SLOT1, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(rd(m, SLOT1, PCI_DEVICE_ID, 2), 0x1042);
	assert_int_equal(rd(m, SLOT1, PCI_SUBSYSTEM_ID, 2), 0x5678);
	assert_int_equal(rd(m, SLOT1, PCI_INTERRUPT_LINE, 2), 0x100 | 17);
	assert_int_equal(rd(m, SLOT1, PCI_HEADER_TYPE, 1), 0);
	/* Absent functions, other buses, the address port disabled. */
	assert_int_equal(rd(m, PCI_DEVFN(3, 0), 0, 4), 0xffffffff);
	assert_int_equal(rd(m, PCI_DEVFN(1, 1), 0, 2), 0xffff);
	assert_int_equal(rd(m, 0x100, 0, 1), 0xff);
	out(m, 0xcf8, 4, 0);
	assert_int_equal(in(m, 0xcfc, 4), 0xffffffff);
	out(m, 0xcf8, 4, 0x80000804);
	assert_int_equal(in(m, 0xcf8, 4), 0x80000804);
	/* Identity cannot be written. */
	wr(m, SLOT1, 0, 4, 0);
	assert_int_equal(rd(m, SLOT1, 0, 4), 0x10421af4);
	wr(m, PCI_DEVFN(3, 0), 4, 4, 0);
}

static void test_ecam(void **state)
{
	struct machine *m = *state;
	const uint64_t slot1 = PCI_ECAM_BASE + SLOT1 * 4096ULL;

	assert_int_equal(mmio(m, slot1, 4), 0x10421af4);
	assert_int_equal(mmio(m, slot1 + 2, 2), 0x1042);
	assert_int_equal(mmio(m, slot1, 8) & 0xffffffff, 0x10421af4);
	assert_int_equal(mmio(m, slot1 + 0x100, 4), 0);
	assert_int_equal(mmio(m, slot1 + 0xfff, 1), 0);
	assert_int_equal(mmio(m, slot1 + 0xffe, 4), 0xffffffff);
	assert_int_equal(mmio(m, PCI_ECAM_BASE + 4096, 4), 0xffffffff);
	bus_write(&m->vm.mmio, &m->mmio, slot1 + 0x3c, 1, 0x5b);
	assert_int_equal(rd(m, SLOT1, PCI_INTERRUPT_LINE, 1), 0x5b);
	assert_int_equal(probe(m, SLOT1)->written_off, 0x3c);
	bus_write(&m->vm.mmio, &m->mmio, slot1 + 0xffc, 8, ~0ULL);
	bus_write(&m->vm.mmio, &m->mmio, slot1 + 0xff, 2, ~0ULL);
}

static void test_capabilities(void **state)
{
	struct machine *m = *state;
	uint8_t at;

	assert_true(rd(m, SLOT1, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	at = (uint8_t)rd(m, SLOT1, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(rd(m, SLOT1, at, 2), PCI_CAP_ID_MSIX);
	assert_int_equal(rd(m, SLOT1, at + 2u, 2), 2);
	assert_int_equal(rd(m, SLOT1, at + 4u, 4), 4);
	assert_int_equal(rd(m, SLOT1, at + 8u, 4), 2048 | 4);
	assert_int_equal(pci_cap_add(&probe(m, SLOT1)->pci, 9, 13), at + 12);
	pci_config_show(&probe(m, SLOT1)->pci);
	assert_int_equal(rd(m, SLOT1, at + 1u, 1), at + 12);
	assert_int_equal(rd(m, SLOT1, at + 12u, 2), 9);
	assert_int_equal(pci_cap_add(&probe(m, SLOT1)->pci, 9, 4), at + 28);
}

static void test_bar_sizing(void **state)
{
	struct machine *m = *state;
	static const struct {
		unsigned int reg;
		uint32_t mask;
	} bars[] = {
		{ 0x10, 0xffffffe1 }, { 0x14, 0xffffe000 },
		{ 0x18, 0xffffc00c }, { 0x1c, 0xffffffff },
		{ 0x20, 0xfffff000 }, { 0x24, 0 },
		{ 0x30, 0 },
	};
	unsigned int i;
	uint32_t old;

	wr(m, SLOT1, PCI_COMMAND, 2, 0);
	for (i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		old = rd(m, SLOT1, bars[i].reg, 4);
		wr(m, SLOT1, bars[i].reg, 4, 0xffffffff);
		assert_int_equal(rd(m, SLOT1, bars[i].reg, 4), bars[i].mask);
		wr(m, SLOT1, bars[i].reg, 4, old);
		assert_int_equal(rd(m, SLOT1, bars[i].reg, 4), old);
	}
	/* With decoding on, too: where it cannot be, it is not mapped. */
	wr(m, SLOT1, PCI_COMMAND, 2, CMD_ALL);
	assert_int_equal(probe(m, SLOT1)->mapped, 4);
	for (i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		old = rd(m, SLOT1, bars[i].reg, 4);
		wr(m, SLOT1, bars[i].reg, 4, 0xffffffff);
		assert_int_equal(rd(m, SLOT1, bars[i].reg, 4), bars[i].mask);
		wr(m, SLOT1, bars[i].reg, 4, old);
	}
	assert_int_equal(probe(m, SLOT1)->mapped, 4);
}

static void test_bar_homes(void **state)
{
	struct machine *m = *state;
	uint32_t io = rd(m, SLOT1, 0x10, 4) & ~3u;
	uint32_t mem = rd(m, SLOT1, 0x14, 4);
	uint64_t high = (rd(m, SLOT1, 0x18, 4) & ~0xfu) |
			(uint64_t)rd(m, SLOT1, 0x1c, 4) << 32;

	assert_int_equal(rd(m, SLOT1, PCI_COMMAND, 2), CMD_ALL);
	assert_in_range(io, 0x1000, 0xffff);
	assert_in_range(mem, PCI_MEM32_BASE, PCI_MEM32_END);
	assert_true(high >= pci_mem64_base(&m->vm));
	assert_true(pci_mem64_base(&m->vm) >= 0x110000000ULL);
	assert_int_equal(in(m, (uint16_t)(io + 4), 4), 0x42);
	assert_int_equal(probe(m, SLOT1)->off, 4);
	assert_true(answers(m, mem + 0x1ffc));
	assert_true(answers(m, high + 0x3ffc));
	assert_int_equal(probe(m, SLOT1)->reads, 3);
	assert_int_not_equal(rd(m, SLOT2, 0x14, 4), mem);

	/* Decoding off: nobody there. */
	wr(m, SLOT1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(in(m, (uint16_t)io, 4), 0x42);
	assert_false(answers(m, mem));
	assert_false(answers(m, high));

	/* Reset puts everything back. */
	wr(m, SLOT1, 0x14, 4, 0xd0000000);
	probe_class.reset(&probe(m, SLOT1)->pci.dev);
	assert_int_equal(rd(m, SLOT1, 0x14, 4), mem);
	assert_true(answers(m, mem));
	assert_int_equal(probe(m, SLOT1)->mapped, 4);
}

static void test_bar_moves(void **state)
{
	struct machine *m = *state;
	uint32_t mem = rd(m, SLOT1, 0x14, 4);

	wr(m, SLOT1, 0x14, 4, 0xd0000000);
	assert_true(answers(m, 0xd0000000));
	assert_false(answers(m, mem));

	/* Half a move of a 64-bit BAR is a place, too. */
	wr(m, SLOT1, 0x1c, 4, 0x10);
	wr(m, SLOT1, 0x18, 4, 0x40000000);
	assert_true(answers(m, 0x1040000000));

	/* Byte by byte. */
	wr(m, SLOT1, 0x17, 1, 0xd8);
	assert_true(answers(m, 0xd8000000));
	assert_false(answers(m, 0xd0000000));

	/* Address 0 is none; beyond the I/O space neither. */
	wr(m, SLOT1, 0x14, 4, 0);
	assert_false(answers(m, 0));
	wr(m, SLOT1, 0x10, 4, 0xffff0000);
	assert_int_equal(rd(m, SLOT1, 0x10, 4), 0xffff0001);
}

static void test_bar_overlap(void **state)
{
	struct machine *m = *state;
	uint32_t a = rd(m, SLOT1, 0x14, 4), b = rd(m, SLOT2, 0x14, 4);

	/* Swapped one by one: on the way there both are at b. */
	wr(m, SLOT1, 0x14, 4, b);
	assert_true(answers(m, b));
	assert_int_equal(probe(m, SLOT2)->reads, 1);
	wr(m, SLOT2, 0x14, 4, a);
	assert_true(answers(m, a));
	assert_true(answers(m, b));
	assert_int_equal(probe(m, SLOT2)->reads, 2);
	assert_int_equal(probe(m, SLOT1)->reads, 1);

	/* On top of ECAM and of the configuration ports. */
	wr(m, SLOT1, 0x14, 4, PCI_ECAM_BASE);
	assert_int_equal(mmio(m, PCI_ECAM_BASE, 4), 0x29c08086);
	wr(m, SLOT1, 0x10, 4, 0xce0);
	assert_int_equal(rd(m, SLOT1, 0, 4), 0x10421af4);
	wr(m, SLOT1, 0x14, 4, b);
	assert_true(answers(m, b));
}

static void test_intx(void **state)
{
	struct machine *m = *state;
	struct pci_dev *pci = &probe(m, SLOT1)->pci;

	pci_intx_set(pci, true);
	assert_true(m->level[17]);
	assert_true(rd(m, SLOT1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	wr(m, SLOT1, PCI_COMMAND, 2, CMD_ALL | PCI_COMMAND_INTX_DISABLE);
	assert_false(m->level[17]);
	assert_true(rd(m, SLOT1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	wr(m, SLOT1, PCI_STATUS, 2, 0xffff);
	assert_true(rd(m, SLOT1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	wr(m, SLOT1, PCI_COMMAND, 2, CMD_ALL);
	assert_true(m->level[17]);
	/* A written 1 clears an error bit, and only that one. */
	pci->config[PCI_STATUS + 1] |= 0xc0;
	wr(m, SLOT1, PCI_STATUS, 2, 0x4000);
	assert_int_equal(rd(m, SLOT1, PCI_STATUS, 2) >> 8, 0x80);
	pci_intx_set(pci, false);
	assert_false(m->level[17]);
	assert_false(rd(m, SLOT1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pci_intx_set(pci, true);
	probe_class.reset(&pci->dev);
	assert_false(m->level[17]);
}

static void msix_write(struct machine *m, uint64_t addr, unsigned int size,
		       uint64_t val)
{
	bus_write(&m->vm.mmio, &m->mmio, addr, size, val);
}

static void test_msix(void **state)
{
	struct machine *m = *state;
	struct pci_dev *pci = &probe(m, SLOT1)->pci;
	uint64_t bar = rd(m, SLOT1, 0x20, 4);
	unsigned int ctl = pci->msix.cap + 2u;

	assert_int_equal(mmio(m, bar + 16 + 12, 4), 1);
	msix_write(m, bar + 16, 4, 0xfee02000);
	msix_write(m, bar + 20, 4, 0);
	msix_write(m, bar + 24, 4, 0x4055);
	assert_int_equal(mmio(m, bar + 16, 8), 0xfee02000);

	assert_false(pci_msix_enabled(pci));
	pci_msix_notify(pci, 1);
	assert_int_equal(mmio(m, bar + 2048, 8), 0);
	wr(m, SLOT1, ctl, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(rd(m, SLOT1, ctl, 2), 0xc002);
	assert_true(pci_msix_enabled(pci));

	/* Masked by the entry and by the function. */
	pci_msix_notify(pci, 1);
	pci_msix_notify(pci, 3);
	pci_msix_notify(pci, 0xffff);
	assert_int_equal(mmio(m, bar + 2048, 8), 2);
	assert_int_equal(mmio(m, bar + 2048, 4), 2);
	msix_write(m, bar + 28, 4, 0);
	assert_int_equal(m->msis, 0);
	wr(m, SLOT1, ctl, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m->msis, 1);
	assert_int_equal(m->msi_addr, 0xfee02000);
	assert_int_equal(m->msi_data, 0x4055);
	assert_int_equal(mmio(m, bar + 2048, 8), 0);

	pci_msix_notify(pci, 1);
	assert_int_equal(m->msis, 2);
	msix_write(m, bar + 28, 4, 0xffffffff);
	assert_int_equal(mmio(m, bar + 28, 4), 1);
	pci_msix_notify(pci, 1);
	assert_int_equal(m->msis, 2);
	msix_write(m, bar + 24, 8, 0x77);
	assert_int_equal(m->msis, 3);
	assert_int_equal(m->msi_data, 0x77);

	/* Past the table, between, odd. */
	msix_write(m, bar + 48, 4, 1);
	msix_write(m, bar + 4092, 4, 1);
	msix_write(m, bar + 2048, 8, ~0ULL);
	msix_write(m, bar + 17, 1, 0xff);
	assert_int_equal(mmio(m, bar + 48, 4), 0);
	assert_int_equal(mmio(m, bar + 4088, 8), 0);
	assert_int_equal(mmio(m, bar + 2048, 8), 0);

	probe_class.reset(&pci->dev);
	assert_false(pci_msix_enabled(pci));
	assert_int_equal(mmio(m, bar + 28, 4), 1);
	assert_int_equal(mmio(m, bar + 16, 8), 0);
}

static void test_garbage(void **state)
{
	struct machine *m = *state;
	unsigned int i, size;
	uint64_t off;

	for (i = 0; i < 50000; i++) {
		size = 1u << (rand() & 3);
		off = (unsigned int)rand() % 4 * 8 * 4096 +
		      (unsigned int)rand() % (rand() & 1 ? 0x50 : 4096);
		bus_write(&m->vm.mmio, &m->mmio, PCI_ECAM_BASE + off, size,
			  (uint64_t)rand() << 20);
		mmio(m, PCI_ECAM_BASE + off, size);
	}
	assert_int_equal(rd(m, SLOT1, 0, 4), 0x10421af4);
}

static void test_full(void **state)
{
	struct machine *m = *state;
	struct error err;
	int i, ret = 0;

	for (i = 0; i < 40 && !ret; i++)
		ret = device_create(&m->vm, &probe_class, 9, NULL, NULL, &err);
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(i, 29); /* 32 slots without 0, 1, 2 and 31, and one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ecam, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capabilities, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bar_sizing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bar_homes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bar_moves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bar_overlap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_intx, setup, teardown),
		cmocka_unit_test_setup_teardown(test_msix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

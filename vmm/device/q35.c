// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Q35 host bridge (Intel 3 Series Express Chipset Family data sheet, 316966):
 * configuration access through CF8h/CFCh and through ECAM.
 *
 * The reset register of the LPC bridge is the second byte of the address
 * port: a byte written there goes to it, all four go to the address register.
 */
#include <string.h>

#include "../fastpath.h"
#include "../state.h"
#include "../vm.h"
#include "devices.h"
#include "pci.h"

#define CF8_BASE 0xcf8
#define CF8_LEN 8
#define CF8_DATA 4
#define CF8_ENABLE 0x80000000U

#define PCIEXBAR 0x60
#define PCIEXBAR_64M (2 << 1)
#define PCIEXBAR_ENABLE 1

struct q35 {
	struct pci_dev pci;
	struct pci_host host;
	struct bus_range cf8;
	struct fast_region fast;
	struct bus_range ecam;
	uint32_t addr; /* the address register, while it is saved or loaded */
};

/*
 * The shadow pages are what the data port reads of function 0 of each slot of
 * bus 0: pci.c keeps them up to date.  All else reads as ones.  The address
 * register is a word among them, in the place of a function 1; nothing else
 * knows it.
 */
#define SHADOW_ADDR 0x100
#define SHADOW_SIZE (PCI_SHADOW_PAGES * VIREO_SHADOW_SIZE)
#define CF8_BUS_FUNCTION 0xff0700U

static const struct vireo_rule cf8_rules[] = {
	{ .type = VIREO_RULE_SHADOW,
	  .widths = VIREO_WIDTH_4,
	  .flags = VIREO_RULE_WRITE_THROUGH,
	  .len = 4,
	  .shadow = SHADOW_ADDR },
	{ .type = VIREO_RULE_INDEXED,
	  .offset = CF8_DATA,
	  .len = 4,
	  .index = SHADOW_ADDR,
	  .value = CF8_ENABLE,
	  .mask = CF8_ENABLE | CF8_BUS_FUNCTION,
	  .index_mask = PCI_SHADOW_REGS },
	{ .type = VIREO_RULE_INDEXED,
	  .flags = VIREO_RULE_READ_ONES | VIREO_RULE_NOT_EQUAL,
	  .offset = CF8_DATA,
	  .len = 4,
	  .index = SHADOW_ADDR,
	  .value = CF8_ENABLE,
	  .mask = CF8_ENABLE | CF8_BUS_FUNCTION },
};

/* The register that an access to the data port goes to; false: to none. */
static bool cf8_target(const struct q35 *q, uint64_t off, unsigned int *bdf,
		       unsigned int *reg)
{
	uint32_t addr = (uint32_t)bus_load(q->fast.shadow + SHADOW_ADDR, 4);

	*bdf = (addr >> 8) & 0xffff;
	*reg = (addr & 0xfc) + (unsigned int)(off - CF8_DATA);
	return off >= CF8_DATA && addr & CF8_ENABLE;
}

static uint64_t cf8_read(void *dev, uint64_t off, unsigned int size)
{
	struct q35 *q = dev;
	unsigned int bdf, reg;

	if (off == ICH9_RESET_PORT - CF8_BASE && size == 1)
		return ich9_reset_read(q->pci.dev.vm->ich9);
	if (!off && size == 4)
		return bus_load(q->fast.shadow + SHADOW_ADDR, 4);
	if (!cf8_target(q, off, &bdf, &reg))
		return UINT64_MAX;
	return pci_config_read(&q->host, bdf, reg, size);
}

static void cf8_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct q35 *q = dev;
	unsigned int bdf, reg;

	if (off == ICH9_RESET_PORT - CF8_BASE && size == 1)
		ich9_reset_write(q->pci.dev.vm->ich9, (uint8_t)val);
	else if (!off && size == 4)
		fast_shadow32(&q->fast, SHADOW_ADDR, (uint32_t)val);
	else if (cf8_target(q, off, &bdf, &reg))
		pci_config_write(&q->host, bdf, reg, size, (uint32_t)val);
}

static const struct bus_ops cf8_ops = {
	.read = cf8_read,
	.write = cf8_write,
};

static uint64_t ecam_read(void *dev, uint64_t off, unsigned int size)
{
	struct q35 *q = dev;
	unsigned int bdf = (unsigned int)(off / PCI_CONFIG_SIZE);
	unsigned int reg = off % PCI_CONFIG_SIZE;

	if (size == 8)
		return pci_config_read(&q->host, bdf, reg, 4) |
		       (uint64_t)pci_config_read(&q->host, bdf, reg + 4, 4)
			       << 32;
	return pci_config_read(&q->host, bdf, reg, size);
}

static void ecam_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct q35 *q = dev;
	unsigned int bdf = (unsigned int)(off / PCI_CONFIG_SIZE);
	unsigned int reg = off % PCI_CONFIG_SIZE;

	if (size == 8) {
		pci_config_write(&q->host, bdf, reg + 4, 4,
				 (uint32_t)(val >> 32));
		size = 4;
	}
	pci_config_write(&q->host, bdf, reg, size, (uint32_t)val);
}

static const struct bus_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
};

static int q35_realize(struct device *dev, const void *config,
		       struct error *err)
{
	static const struct pci_ids ids = {
		.vendor = 0x8086,
		.device = 0x29c0,
		.class_rev = 0x060000 << 8,
	};
	const uint32_t pciexbar = PCI_ECAM_BASE | PCIEXBAR_64M |
				  PCIEXBAR_ENABLE;
	struct q35 *q = (struct q35 *)dev;
	struct vm *vm = dev->vm;
	int ret;

	(void)config;
	q->cf8 = (struct bus_range){
		.name = "pci-config",
		.base = CF8_BASE,
		.len = CF8_LEN,
		.ops = &cf8_ops,
		.dev = q,
		.lock = &q->host.lock,
		.fast = &q->fast,
	};
	q->ecam = (struct bus_range){
		.name = "pci-ecam",
		.base = PCI_ECAM_BASE,
		.len = PCI_ECAM_SIZE,
		.ops = &ecam_ops,
		.dev = q,
		.lock = &q->host.lock,
	};
	q->fast.rules = cf8_rules;
	q->fast.nr_rules = sizeof(cf8_rules) / sizeof(cf8_rules[0]);
	q->fast.shadow_pages = PCI_SHADOW_PAGES;

	ret = fast_region_init(&q->fast, vm, &q->cf8, err);
	if (ret < 0)
		return ret;
	memset(q->fast.shadow, 0xff, SHADOW_SIZE);
	ret = pci_host_init(&q->host, vm, &q->fast, err);
	if (ret < 0)
		goto err_fast;
	vm->pci = &q->host;
	ret = pci_dev_init(&q->pci, PCI_DEVFN(0, 0), &ids, err);
	if (ret < 0)
		goto err_host;
	/* Fixed: it reads as what the MCFG table says. */
	memcpy(q->pci.config + PCIEXBAR, &pciexbar, sizeof(pciexbar));

	ret = bus_insert(&vm->pio, &q->cf8, err);
	if (ret < 0)
		goto err_dev;
	ret = bus_insert(&vm->mmio, &q->ecam, err);
	if (ret < 0)
		goto err_cf8;
	return 0;

err_cf8:
	bus_remove(&vm->pio, &q->cf8);
err_dev:
	pci_dev_destroy(&q->pci);
err_host:
	vm->pci = NULL;
	pci_host_destroy(&q->host);
err_fast:
	fast_region_destroy(&q->fast);
	return ret;
}

static void q35_reset(struct device *dev)
{
	struct q35 *q = (struct q35 *)dev;

	pci_dev_reset(&q->pci);
	pthread_mutex_lock(&q->host.lock);
	fast_shadow32(&q->fast, SHADOW_ADDR, 0);
	pthread_mutex_unlock(&q->host.lock);
}

static const struct state_field q35_fields[] = {
	{ STATE_PART(struct q35, pci, pci_state_fields) },
	{ STATE_U(struct q35, addr) },
	{ 0 },
};

static int q35_prepare(void *obj, struct error *err)
{
	struct q35 *q = obj;

	(void)err;
	q->addr = (uint32_t)bus_load(q->fast.shadow + SHADOW_ADDR, 4);
	pci_state_prepare(&q->pci);
	return 0;
}

static int q35_loaded(void *obj, struct error *err)
{
	struct q35 *q = obj;
	int rc = pci_state_loaded(&q->pci, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&q->host.lock);
	fast_shadow32(&q->fast, SHADOW_ADDR, q->addr);
	pthread_mutex_unlock(&q->host.lock);
	return 0;
}

static const struct state_table q35_state = {
	.version = 1,
	.fields = q35_fields,
	.prepare = q35_prepare,
	.loaded = q35_loaded,
};

static void q35_unrealize(struct device *dev)
{
	struct q35 *q = (struct q35 *)dev;
	struct vm *vm = dev->vm;

	bus_remove(&vm->mmio, &q->ecam);
	bus_remove(&vm->pio, &q->cf8);
	pci_dev_destroy(&q->pci);
	vm->pci = NULL;
	pci_host_destroy(&q->host);
	fast_region_destroy(&q->fast);
}

const struct dev_class q35_host_class = {
	.name = "q35",
	.size = sizeof(struct q35),
	.realize = q35_realize,
	.reset = q35_reset,
	.state = &q35_state,
	.unrealize = q35_unrealize,
};

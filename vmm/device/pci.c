// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration space and BARs (PCI Local Bus 3.0, section 6).
 *
 * config[] is what the guest sees.  A write changes only the bits in wmask and
 * clears those in w1cmask, so BAR sizing, read-only registers and capabilities
 * need no code.  A register is changed in one step, as the guest may be reading
 * it, and the interrupt status bit, which belongs to the device lock, may be
 * changing.
 *
 * A BAR is mapped when its decoding is on, it has an address, and nothing else
 * is there.  If something is, it stays unmapped until an unmapped BAR may have
 * made room.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <linux/pci_regs.h>

#include "../error.h"
#include "../vm.h"
#include "pci.h"

#define CONFIG_LEGACY 256 /* what wmask and w1cmask cover */
#define CONFIG_ALL ((size_t)PCI_NR_DEVFN * PCI_CONFIG_SIZE)

/* Little-endian registers of config[], wmask[] and w1cmask[]. */
static void put16(uint8_t *p, uint16_t val)
{
	memcpy(p, &val, sizeof(val));
}

static void put32(uint8_t *p, uint32_t val)
{
	memcpy(p, &val, sizeof(val));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t val;

	memcpy(&val, p, sizeof(val));
	return val;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t val;

	memcpy(&val, p, sizeof(val));
	return val;
}

/* ---- host ---------------------------------------------------------------- */

uint64_t pci_mem64_base(const struct vm *vm)
{
	const uint64_t align = 1ULL << 30;
	uint64_t end = RAM_HIGH_BASE;

	if (vm->mem.size > RAM_LOW_MAX)
		end += vm->mem.size - RAM_LOW_MAX;
	return (end + align - 1) & ~(align - 1);
}

int pci_host_init(struct pci_host *host, const struct vm *vm,
		  struct fast_region *window, struct error *err)
{
	memset(host, 0, sizeof(*host));
	/* Only the pages of functions that exist are ever touched. */
	host->config = mmap(NULL, CONFIG_ALL, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host->config == MAP_FAILED)
		return error_sys(err, errno, "PCI configuration space");
	pthread_mutex_init(&host->lock, NULL);
	host->window = window;
	host->mem64 = pci_mem64_base(vm);
	return 0;
}

void pci_host_destroy(struct pci_host *host)
{
	pthread_mutex_destroy(&host->lock);
	munmap(host->config, CONFIG_ALL);
}

/* ---- what the guest reads without an exit -------------------------------- */

/* Copies the register at @reg to where CFCh reads it. */
static void show(struct pci_dev *pci, unsigned int reg)
{
	const uint32_t *from = (const uint32_t *)(pci->config + reg);

	fast_shadow32(pci->host->window, pci->devfn << 8 | reg,
		      __atomic_load_n(from, __ATOMIC_RELAXED));
}

void pci_config_show(struct pci_dev *pci)
{
	unsigned int reg;

	pthread_mutex_lock(&pci->dev.lock);
	for (reg = 0; reg < CONFIG_LEGACY; reg += 4)
		show(pci, reg);
	pthread_mutex_unlock(&pci->dev.lock);
}

/* Nothing is lost if it fails: without a page there the guest exits. */
static void show_ecam(struct pci_dev *pci, bool on)
{
	struct accel *accel = pci->dev.vm->accel;
	uint64_t gpa = PCI_ECAM_BASE + (uint64_t)pci->devfn * PCI_CONFIG_SIZE;

	if (accel->ops->set_memory)
		accel->ops->set_memory(accel, PCI_ECAM_MEM_SLOT + pci->devfn,
				       gpa, on ? PCI_CONFIG_SIZE : 0,
				       pci->config, ACCEL_MEM_READONLY);
}

void pci_config_live(struct pci_dev *pci, bool live)
{
	struct pci_host *host = pci->host;

	if (pci->live == live)
		return;
	pci->live = live;
	host->nr_live += live ? 1 : -1U;
	fast_region_enable(host->window, !host->nr_live);
	show_ecam(pci, !live);
}

/* ---- BARs ---------------------------------------------------------------- */

static uint8_t *bar_reg(const struct pci_dev *pci, unsigned int nr)
{
	return pci->config + PCI_BASE_ADDRESS_0 + 4 * nr;
}

static struct bus *bar_bus(const struct pci_dev *pci, const struct pci_bar *bar)
{
	return bar->type == PCI_BAR_IO ? &pci->dev.vm->pio : &pci->dev.vm->mmio;
}

/* Where the guest wants BAR @nr, or 0 if nowhere. */
static uint64_t bar_wanted(const struct pci_dev *pci, unsigned int nr)
{
	const struct pci_bar *bar = &pci->bars[nr];
	uint16_t cmd = get16(pci->config + PCI_COMMAND);
	uint64_t base;

	if (bar->type == PCI_BAR_NONE)
		return 0;
	base = get32(bar_reg(pci, nr));
	if (bar->type == PCI_BAR_IO) {
		base &= PCI_BASE_ADDRESS_IO_MASK;
		if (!(cmd & PCI_COMMAND_IO) || base + bar->range.len > 0x10000)
			return 0;
		return base;
	}
	base &= (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	if (bar->type == PCI_BAR_MEM64)
		base |= (uint64_t)get32(bar_reg(pci, nr + 1)) << 32;
	return cmd & PCI_COMMAND_MEMORY ? base : 0;
}

static void bar_unmap(struct pci_dev *pci, unsigned int nr)
{
	struct pci_bar *bar = &pci->bars[nr];

	if (pci->bar_mapped)
		pci->bar_mapped(pci, nr, false);
	bus_remove(bar_bus(pci, bar), &bar->range);
	bar->mapped = false;
}

static void bar_map(struct pci_dev *pci, unsigned int nr, uint64_t base)
{
	struct pci_bar *bar = &pci->bars[nr];
	struct error err;

	bar->range.base = base;
	if (bus_insert(bar_bus(pci, bar), &bar->range, &err) < 0) {
		pci->host->blocked = true;
		log_guest(&pci->guest_faults, pci->dev.id,
			  "BAR %u cannot be at %#llx: %s", nr,
			  (unsigned long long)base, err.text);
		return;
	}
	bar->mapped = true;
	if (pci->bar_mapped)
		pci->bar_mapped(pci, nr, true);
}

/* Maps what is wanted and not there; true if it unmapped anything first. */
static bool bars_update(struct pci_dev *pci)
{
	bool freed = false;
	uint64_t base;
	unsigned int i;

	for (i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &pci->bars[i];

		if (bar->mapped && bar_wanted(pci, i) != bar->range.base) {
			bar_unmap(pci, i);
			freed = true;
		}
	}
	for (i = 0; i < PCI_NR_BARS; i++) {
		base = bar_wanted(pci, i);
		if (base && !pci->bars[i].mapped)
			bar_map(pci, i, base);
	}
	return freed;
}

/* After a change in @pci, for all whom it may have made room. */
static void bars_changed(struct pci_dev *pci)
{
	struct pci_host *host = pci->host;
	unsigned int i;

	if (!bars_update(pci) || !host->blocked)
		return;
	host->blocked = false;
	for (i = 0; i < PCI_NR_DEVFN; i++)
		if (host->devs[i])
			bars_update(host->devs[i]);
}

/* The BAR whose home in @bus has a part of [base, base + len), or NULL. */
static const struct pci_bar *home_at(const struct pci_host *host,
				     enum pci_bar_type type, uint64_t base,
				     uint64_t len)
{
	const struct pci_bar *bar;
	unsigned int devfn, i;

	for (devfn = 0; devfn < PCI_NR_DEVFN; devfn += 8) {
		if (!host->devs[devfn])
			continue;
		for (i = 0; i < PCI_NR_BARS; i++) {
			bar = &host->devs[devfn]->bars[i];
			if (bar->type == type && bar->home &&
			    bar->home < base + len &&
			    base < bar->home + bar->range.len)
				return bar;
		}
	}
	return NULL;
}

/* The first naturally aligned place of its own in [base, last], or 0. */
static uint64_t place(const struct pci_host *host, enum pci_bar_type type,
		      uint64_t base, uint64_t last, uint64_t len)
{
	const struct pci_bar *taken;

	for (;;) {
		base = (base + len - 1) & ~(len - 1);
		if (base > last || last - base < len - 1)
			return 0;
		taken = home_at(host, type, base, len);
		if (!taken)
			return base;
		base = taken->home + taken->range.len;
	}
}

void pci_bar_init(struct pci_dev *pci, unsigned int nr, enum pci_bar_type type,
		  const struct bus_range *range)
{
	struct pci_host *host = pci->host;
	struct pci_bar *bar = &pci->bars[nr];
	uint8_t *reg = bar_reg(pci, nr);
	uint8_t *wmask = pci->wmask + PCI_BASE_ADDRESS_0 + 4 * nr;
	uint64_t len = range->len;

	assert(nr + (type == PCI_BAR_MEM64) < PCI_NR_BARS);
	assert(!(len & (len - 1)));
	assert(len >= (type == PCI_BAR_IO ? 16 : 4096) && len <= 1U << 31);

	pthread_mutex_lock(&host->lock);
	bar->type = type;
	bar->range = *range;
	put32(wmask, ~(uint32_t)(len - 1));
	switch (type) {
	case PCI_BAR_IO:
		bar->home = place(host, type, PCI_IO_START, PCI_IO_END, len);
		put32(reg, PCI_BASE_ADDRESS_SPACE_IO);
		break;
	case PCI_BAR_MEM64:
		bar->home = place(host, type, host->mem64,
				  host->mem64 + PCI_MEM64_SIZE - 1, len);
		put32(reg, PCI_BASE_ADDRESS_MEM_TYPE_64 |
				   PCI_BASE_ADDRESS_MEM_PREFETCH);
		put32(wmask + 4, UINT32_MAX);
		break;
	default:
		bar->home =
			place(host, type, PCI_MEM32_BASE, PCI_MEM32_END, len);
		put32(reg, 0);
		break;
	}
	pthread_mutex_unlock(&host->lock);
}

/* ---- functions ------------------------------------------------------------
 */

static int find_slot(const struct pci_host *host)
{
	int slot;

	for (slot = 1; slot < PCI_SLOTS; slot++)
		if (!host->devs[PCI_DEVFN(slot, 0)])
			return PCI_DEVFN(slot, 0);
	return -1;
}

int pci_dev_init(struct pci_dev *pci, int devfn, const struct pci_ids *ids,
		 struct error *err)
{
	struct pci_host *host = pci->dev.vm->pci;
	uint8_t *c;
	int ret = 0;

	pci->wmask = calloc(2, CONFIG_LEGACY);
	if (!pci->wmask)
		return error_sys(err, ENOMEM, "%s", pci->dev.id);
	pci->w1cmask = pci->wmask + CONFIG_LEGACY;

	pthread_mutex_lock(&host->lock);
	if (devfn < 0)
		devfn = find_slot(host);
	assert(devfn < 0 || !(devfn & 7));
	if (devfn < 0 || host->devs[devfn]) {
		ret = error_set(err, ENOSPC, "%s: no free PCI slot",
				pci->dev.id);
		goto err_unlock;
	}
	pci->host = host;
	pci->devfn = (unsigned int)devfn;
	pci->next_cap = PCI_STD_HEADER_SIZEOF;
	irq_source_init(&pci->intx, &pci->dev.vm->irqs,
			PCI_INTX_GSI(devfn >> 3, 0));

	c = pci->config = host->config + (size_t)devfn * PCI_CONFIG_SIZE;
	put16(c + PCI_VENDOR_ID, ids->vendor);
	put16(c + PCI_DEVICE_ID, ids->device);
	put32(c + PCI_CLASS_REVISION, ids->class_rev);
	put16(c + PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor);
	put16(c + PCI_SUBSYSTEM_ID, ids->subsystem);

	put16(pci->wmask + PCI_COMMAND,
	      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		      PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE);
	pci->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	pci->wmask[PCI_LATENCY_TIMER] = 0xff;
	pci->wmask[PCI_INTERRUPT_LINE] = 0xff;
	put16(pci->w1cmask + PCI_STATUS,
	      PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
		      PCI_STATUS_REC_TARGET_ABORT |
		      PCI_STATUS_REC_MASTER_ABORT |
		      PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
	pci->hidden = pci->dev.plugged;
	host->devs[devfn] = pci;
	if (!pci->hidden)
		show_ecam(pci, true);
	pthread_mutex_unlock(&host->lock);
	return 0;

err_unlock:
	pthread_mutex_unlock(&host->lock);
	free(pci->wmask);
	return ret;
}

static void unmap_all(struct pci_dev *pci)
{
	unsigned int i;

	for (i = 0; i < PCI_NR_BARS; i++)
		if (pci->bars[i].mapped)
			bar_unmap(pci, i);
}

void pci_dev_destroy(struct pci_dev *pci)
{
	struct pci_host *host = pci->host;

	pthread_mutex_lock(&host->lock);
	unmap_all(pci);
	pci_config_live(pci, false);
	show_ecam(pci, false);
	host->devs[pci->devfn] = NULL;
	memset(pci->config, 0xff, CONFIG_LEGACY);
	pci_config_show(pci);
	memset(pci->config, 0, CONFIG_LEGACY);
	pthread_mutex_unlock(&host->lock);
	pci_intx_set(pci, false);
	pci_msix_destroy(pci);
	free(pci->wmask);
}

uint8_t pci_cap_add(struct pci_dev *pci, uint8_t id, uint8_t len)
{
	uint8_t *link = pci->config + PCI_CAPABILITY_LIST;
	uint8_t at = pci->next_cap;

	assert(at + len <= CONFIG_LEGACY);
	/* At the end of the list: drivers take the first of a kind. */
	while (*link)
		link = pci->config + *link + PCI_CAP_LIST_NEXT;
	*link = at;
	pci->config[at + PCI_CAP_LIST_ID] = id;
	pci->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	pci->next_cap = (uint8_t)((at + len + 3) & ~3);
	return at;
}

void pci_dev_reset(struct pci_dev *pci)
{
	uint8_t *c = pci->config;
	uint16_t cmd = 0;
	unsigned int i;

	pthread_mutex_lock(&pci->dev.lock);
	pci_msix_reset(pci);
	pci_intx_set(pci, false);
	pthread_mutex_unlock(&pci->dev.lock);

	pthread_mutex_lock(&pci->host->lock);
	unmap_all(pci);
	for (i = 0; i < CONFIG_LEGACY; i++)
		if (pci->wmask[i] | pci->w1cmask[i])
			c[i] &= (uint8_t) ~(pci->wmask[i] | pci->w1cmask[i]);

	if (c[PCI_INTERRUPT_PIN])
		c[PCI_INTERRUPT_LINE] = (uint8_t)pci->intx.gsi;
	for (i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &pci->bars[i];

		/* Where one that is plugged in goes is the guest's business. */
		if (!bar->home || pci->hidden)
			continue;
		put32(bar_reg(pci, i),
		      get32(bar_reg(pci, i)) | (uint32_t)bar->home);
		if (bar->type == PCI_BAR_MEM64)
			put32(bar_reg(pci, i + 1), (uint32_t)(bar->home >> 32));
		cmd |= bar->type == PCI_BAR_IO ? PCI_COMMAND_IO :
						 PCI_COMMAND_MEMORY;
	}
	put16(c + PCI_COMMAND, cmd);
	bars_changed(pci);
	pci_config_live(pci, false);
	pci_config_show(pci);
	if (pci->hidden) {
		pci->hidden = false;
		show_ecam(pci, true);
	}
	pthread_mutex_unlock(&pci->host->lock);
}

/* ---- INTx ------------------------------------------------------------------
 */

/* Device lock held; the command register may change meanwhile, see below. */
static void intx_update(struct pci_dev *pci)
{
	uint8_t *status = pci->config + PCI_STATUS;
	uint8_t *cmd = pci->config + PCI_COMMAND + 1;
	bool off = __atomic_load_n(cmd, __ATOMIC_SEQ_CST) &
		   (PCI_COMMAND_INTX_DISABLE >> 8);

	if (pci->intx_level)
		__atomic_or_fetch(status, PCI_STATUS_INTERRUPT,
				  __ATOMIC_RELAXED);
	else
		__atomic_and_fetch(status, (uint8_t)~PCI_STATUS_INTERRUPT,
				   __ATOMIC_RELAXED);
	show(pci, PCI_COMMAND);
	irq_set(&pci->intx, pci->intx_level && !off);
}

void pci_intx_set(struct pci_dev *pci, bool level)
{
	if (pci->intx_level == level)
		return;
	pci->intx_level = level;
	intx_update(pci);
}

/* ---- configuration accesses -------------------------------------------------
 */

static struct pci_dev *find(struct pci_host *host, unsigned int bdf,
			    unsigned int off, unsigned int size)
{
	struct pci_dev *pci;

	if (bdf >= PCI_NR_DEVFN || off + size > PCI_CONFIG_SIZE)
		return NULL;
	pci = host->devs[bdf];
	return pci && !pci->hidden ? pci : NULL;
}

uint32_t pci_config_read(struct pci_host *host, unsigned int bdf,
			 unsigned int off, unsigned int size)
{
	struct pci_dev *pci = find(host, bdf, off, size);
	uint32_t val = 0;
	unsigned int i;

	if (!pci)
		return UINT32_MAX >> (32 - 8 * size);
	if (pci->live && pci->config_read)
		pci->config_read(pci, off, size);
	for (i = 0; i < size; i++)
		val |= (uint32_t)__atomic_load_n(pci->config + off + i,
						 __ATOMIC_RELAXED)
		       << 8 * i;
	return val;
}

void pci_config_changed(struct pci_dev *pci)
{
	pthread_mutex_lock(&pci->dev.lock);
	intx_update(pci);
	pthread_mutex_unlock(&pci->dev.lock);
	bars_changed(pci);
	pci_config_show(pci);
}

static bool touches(unsigned int off, unsigned int size, unsigned int reg,
		    unsigned int len)
{
	return off < reg + len && reg < off + size;
}

/* The bytes of @data that @bytes covers to the register at @reg. */
static void write_reg(struct pci_dev *pci, unsigned int reg, uint32_t data,
		      uint32_t bytes)
{
	uint32_t *config = (uint32_t *)(pci->config + reg);
	uint32_t wmask = get32(pci->wmask + reg) & bytes;
	uint32_t clear = wmask | (get32(pci->w1cmask + reg) & bytes & data);
	uint32_t old = __atomic_load_n(config, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(config, &old,
					    (old & ~clear) | (data & wmask),
					    false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	if (reg != PCI_COMMAND)
		show(pci, reg);
}

void pci_config_write(struct pci_host *host, unsigned int bdf, unsigned int off,
		      unsigned int size, uint32_t val)
{
	struct pci_dev *pci = find(host, bdf, off, size);
	uint64_t data = (uint64_t)val << 8 * (off & 3);
	uint64_t bytes = ((1ULL << 8 * size) - 1) << 8 * (off & 3);
	unsigned int reg;

	if (!pci || off + size > CONFIG_LEGACY)
		return;
	for (reg = off & ~3U; reg < off + size; reg += 4) {
		write_reg(pci, reg, (uint32_t)data, (uint32_t)bytes);
		data >>= 32;
		bytes >>= 32;
	}

	/*
	 * Who holds the device lock next sees the new command register and
	 * MSI-X control; who held it before may have used the old ones.
	 */
	if (touches(off, size, PCI_COMMAND, 4)) {
		pthread_mutex_lock(&pci->dev.lock);
		intx_update(pci);
		pthread_mutex_unlock(&pci->dev.lock);
	}
	if (touches(off, size, PCI_COMMAND, 2) ||
	    touches(off, size, PCI_BASE_ADDRESS_0, 4 * PCI_NR_BARS))
		bars_changed(pci);
	if (pci->msix.nr && touches(off, size, pci->msix.cap, 4))
		pci_msix_control_changed(pci);
	if (pci->config_written)
		pci->config_written(pci, off, size);
}

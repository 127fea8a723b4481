/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI: one root bus of functions, configuration space by CF8/CFC and ECAM,
 * BARs that move, INTx and MSI-X.
 *
 * Configuration space of every function lies in one array, 4 KiB a function,
 * laid out as ECAM shows it; the guest reads ECAM from there, as read-only
 * memory.  What CFCh reads is a copy in the shadow pages of the host bridge's
 * region.  While a read of some function has a side effect (pci_config_live),
 * its ECAM page and CFCh are served by pci_config_read.
 *
 * Locks, in this order:
 *   host.lock     mutex   configuration space of all functions, BAR mapping;
 *                         it is the lock of the CF8/CFC and ECAM ranges
 *   device lock   mutex   MSI-X table, pending bits, INTx level; it may take
 *                         the accelerator's lock of routes
 * The register with command and status, whose interrupt bit belongs to the
 * device lock, is copied to the shadow pages with the device lock held.
 * A BAR is mapped and unmapped with host.lock held and no device lock.
 * config_written is called with host.lock held and no device lock.
 */
#ifndef VIREO_PCI_H
#define VIREO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "../bus.h"
#include "../device.h"
#include "../fastpath.h"
#include "../irq.h"
#include "../log.h"
#include "../state.h"

#define PCI_ECAM_BASE 0xb0000000ULL
#define PCI_ECAM_BUSES 1 /* bus 0 is all there is */
#define PCI_ECAM_SIZE (PCI_ECAM_BUSES << 20)

/* Where BARs are placed at start, and what the ACPI _CRS declares. */
#define PCI_IO_START 0x1000
#define PCI_IO_END 0xffff
#define PCI_MEM32_BASE 0xc0000000ULL
#define PCI_MEM32_END 0xfebfffffULL
#define PCI_MEM64_SIZE (64ULL << 30) /* above the end of RAM */

#define PCI_DEVFN(slot, func) (((slot) << 3) | (func))
#define PCI_SLOTS 32
#define PCI_CONFIG_SIZE 4096

/*
 * The copy for CFCh: 256 bytes a function at devfn << 8, as the address register
 * selects them.  There are no functions but 0: what would be theirs is free.
 */
#define PCI_SHADOW_PAGES 16
#define PCI_SHADOW_REGS 0xf8fc /* bits of the address that select a register */

/* KVM's memory slots from this one on, by devfn, are pages of ECAM. */
#define PCI_ECAM_MEM_SLOT 16

#define PCI_NR_BARS 6

/* GSI of an INTx pin (0 = INTA): 16 to 19, as the DSDT's _PRT says. */
#define PCI_INTX_GSI(slot, pin) (16 + (((slot) + (pin)) & 3))

enum pci_bar_type { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_bar {
	enum pci_bar_type type;
	struct bus_range range; /* base is kept by pci.c */
	uint64_t home;		/* where reset places it; 0: nowhere */
	bool mapped;
};

struct pci_dev;

#define PCI_NR_DEVFN 256

/* Part of the host bridge; vm->pci. */
struct pci_host {
	pthread_mutex_t lock;
	uint8_t *config; /* PCI_CONFIG_SIZE bytes a function, in ECAM order */
	struct pci_dev *devs[PCI_NR_DEVFN];
	struct fast_region *window; /* what CFCh reads; borrowed */
	unsigned int nr_live;
	bool blocked;	/* a BAR stayed unmapped as another was in its place */
	uint64_t mem64; /* the window of 64-bit BARs */
};

/* @window: all ones but for what is not read through it. */
int pci_host_init(struct pci_host *host, const struct vm *vm,
		  struct fast_region *window, struct error *err);
void pci_host_destroy(struct pci_host *host);

#define PCI_MSIX_MAX 512

struct msix_entry {
	uint64_t addr;
	uint32_t data;
	uint32_t ctrl; /* bit 0: masked */
};

struct msix_vector;

struct pci_msix {
	unsigned int nr; /* vectors; 0: no MSI-X */
	uint8_t cap;	 /* offset in configuration space */
	uint32_t pba;	 /* offset of the pending bits in the BAR */
	struct msix_entry *table;
	struct msix_vector *vectors;
	uint64_t pending[PCI_MSIX_MAX / 64]; /* of those without an eventfd */
};

/* Begins with struct device, so that a function is a device. */
struct pci_dev {
	struct device dev;
	struct pci_host *host;
	unsigned int devfn;
	uint8_t *config; /* PCI_CONFIG_SIZE bytes in the host's array */
	/* Of the first 256 bytes; the rest is read-only. */
	uint8_t *wmask;	  /* writable bits */
	uint8_t *w1cmask; /* bits that a written 1 clears */
	uint8_t next_cap; /* where the next capability goes */
	struct pci_bar bars[PCI_NR_BARS];
	struct pci_msix msix;
	struct irq_source intx;
	bool intx_level;    /* wanted by the device; shown unless disabled */
	bool live;	    /* as pci_config_live was told */
	bool hidden;	    /* plugged in, and not reset yet */
	uint8_t saved[256]; /* of config, while it is saved or loaded */
	struct log_limit guest_faults;
	/* Optional: bytes [off, off + size) were written by the guest. */
	void (*config_written)(struct pci_dev *pci, unsigned int off,
			       unsigned int size);
	/*
	 * Optional, while live: the guest is about to read bytes
	 * [off, off + size), which the device may bring up to date in config
	 * (host.lock held).
	 */
	void (*config_read)(struct pci_dev *pci, unsigned int off,
			    unsigned int size);
	/*
	 * Optional: BAR @nr now answers at its range.base, or is about to
	 * leave it (host.lock held, no device lock).
	 */
	void (*bar_mapped)(struct pci_dev *pci, unsigned int nr, bool mapped);
	/* Optional: pci_msix_lend may give something else now (device lock). */
	void (*msix_changed)(struct pci_dev *pci);
};

struct pci_ids {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t class_rev; /* class code << 8 | revision */
};

/*
 * @devfn: function 0 of a slot; -1: of the next free one.  -ENOSPC: the bus is
 * full.
 */
int pci_dev_init(struct pci_dev *pci, int devfn, const struct pci_ids *ids,
		 struct error *err);
void pci_dev_destroy(struct pci_dev *pci);
/*
 * BARs unmapped, all that the guest can write cleared, MSI-X off; then, as
 * firmware would have it, BARs placed again and their decoding on.
 */
void pci_dev_reset(struct pci_dev *pci);

/*
 * Declares BAR @nr before the first reset.  @range gives name, ops, dev, lock
 * and fast; its len must be a power of two, at least 16 (memory: 4096).  The
 * range in use is bars[nr].range from then on.
 */
void pci_bar_init(struct pci_dev *pci, unsigned int nr, enum pci_bar_type type,
		  const struct bus_range *range);

/*
 * Appends a capability of @len bytes (header included); returns its offset.
 * Before the first reset, as all that fills config.
 */
uint8_t pci_cap_add(struct pci_dev *pci, uint8_t id, uint8_t len);

/*
 * MSI-X with @nr vectors; the table at the start of memory BAR @bar, which
 * pci.c serves.  -ENOMEM.
 */
int pci_msix_init(struct pci_dev *pci, unsigned int bar, unsigned int nr);
bool pci_msix_enabled(const struct pci_dev *pci);
/* Sends vector @nr, or keeps it pending while it is masked (device lock). */
void pci_msix_notify(struct pci_dev *pci, unsigned int nr);
/*
 * The same while MSI-X is enabled, from any thread with no lock; false if the
 * accelerator does not send this one, and pci_msix_notify must.
 */
bool pci_msix_signal(struct pci_dev *pci, unsigned int nr);
/*
 * An eventfd that others may signal, and so send vector @nr, which is kept
 * pending while it is masked; until msix_changed, after which what they have
 * signalled may be lost.  The vector's own: not to be closed.  -errno if there
 * is none (device lock).
 */
int pci_msix_lend(struct pci_dev *pci, unsigned int nr);

/* For pci.c: enable or function mask changed (no device lock); power-on. */
void pci_msix_control_changed(struct pci_dev *pci);
void pci_msix_reset(struct pci_dev *pci);
void pci_msix_destroy(struct pci_dev *pci);

/*
 * For the state table of a function: struct pci_dev as a part of its fields, and
 * what its prepare and loaded call first.
 */
extern const struct state_field pci_state_fields[];
void pci_state_prepare(struct pci_dev *pci);
int pci_state_loaded(struct pci_dev *pci, struct error *err);
/* For pci_state.c: takes what waits in eventfds into the pending bits. */
void pci_msix_gather(struct pci_dev *pci);
/* The command register and BARs are as config says; host.lock held. */
void pci_config_changed(struct pci_dev *pci);

/* Level of INTA (device lock held). */
void pci_intx_set(struct pci_dev *pci, bool level);

/* The MMIO window above RAM: where it starts. */
uint64_t pci_mem64_base(const struct vm *vm);

/*
 * Configuration access of 1, 2 or 4 bytes by bus, device and function number
 * (host.lock held).
 */
uint32_t pci_config_read(struct pci_host *host, unsigned int bdf,
			 unsigned int off, unsigned int size);
void pci_config_write(struct pci_host *host, unsigned int bdf, unsigned int off,
		      unsigned int size, uint32_t val);

/* After the device has changed config itself; no device lock held. */
void pci_config_show(struct pci_dev *pci);
/*
 * From now on reads of the function's configuration space go to config_read,
 * or no longer (host.lock held).  Reset makes them not.
 */
void pci_config_live(struct pci_dev *pci, bool live);

extern const struct dev_class q35_host_class; /* 00:00.0, CF8/CFC, ECAM */
extern const struct dev_class ich9_lpc_class; /* 00:1f.0, PM, reset */

#endif

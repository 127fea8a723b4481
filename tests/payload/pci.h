/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration space of bus 0 by ports CF8h and CFCh. */
#ifndef PAYLOAD_PCI_H
#define PAYLOAD_PCI_H

#include "lib.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define DEVFN(slot, func) ((slot) << 3 | (func))

static inline void pci_select(uint32_t devfn, uint32_t off)
{
	outl(PCI_ADDRESS, 0x80000000 | devfn << 8 | (off & 0xfc));
}

static UNUSED uint32_t pci_read(uint32_t devfn, uint32_t off)
{
	pci_select(devfn, off);
	return inl(PCI_DATA);
}

static UNUSED void pci_write(uint32_t devfn, uint32_t off, uint32_t v)
{
	pci_select(devfn, off);
	outl(PCI_DATA, v);
}

#endif

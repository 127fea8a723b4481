// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSI-X (PCI Local Bus 3.0, section 6.8.2): a BAR of one page holds the table
 * and, in its second half, the pending bits.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/pci_regs.h>

#include "../vm.h"
#include "pci.h"

#define MSIX_BAR_LEN 4096
#define MSIX_PBA 2048

_Static_assert(PCI_MSIX_MAX *PCI_MSIX_ENTRY_SIZE <= MSIX_PBA,
	       "the table ends before the pending bits");
_Static_assert(sizeof(struct msix_entry) == PCI_MSIX_ENTRY_SIZE,
	       "an entry is as the guest sees it");

/* The upper byte of message control: enable and function mask. */
static uint8_t control(const struct pci_dev *pci)
{
	return __atomic_load_n(pci->config + pci->msix.cap + PCI_MSIX_FLAGS + 1,
			       __ATOMIC_SEQ_CST);
}

bool pci_msix_enabled(const struct pci_dev *pci)
{
	return pci->msix.nr && (control(pci) & (PCI_MSIX_FLAGS_ENABLE >> 8));
}

static void send(struct pci_dev *pci, unsigned int nr)
{
	struct msix_entry *e = &pci->msix.table[nr];

	pci->msix.pending &= ~(1ULL << nr);
	irq_msi(&pci->dev.vm->irqs, e->addr, e->data);
}

static bool masked(const struct pci_dev *pci, unsigned int nr)
{
	return (control(pci) & (PCI_MSIX_FLAGS_MASKALL >> 8)) ||
	       (pci->msix.table[nr].ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

void pci_msix_notify(struct pci_dev *pci, unsigned int nr)
{
	if (nr >= pci->msix.nr || !pci_msix_enabled(pci))
		return;
	if (masked(pci, nr))
		pci->msix.pending |= 1ULL << nr;
	else
		send(pci, nr);
}

void pci_msix_control_changed(struct pci_dev *pci)
{
	unsigned int nr;

	pthread_mutex_lock(&pci->dev.lock);
	for (nr = 0; pci->msix.pending && nr < pci->msix.nr; nr++)
		if (pci->msix.pending & 1ULL << nr && pci_msix_enabled(pci) &&
		    !masked(pci, nr))
			send(pci, nr);
	pthread_mutex_unlock(&pci->dev.lock);
}

/*
 * Entries are read and written as they are; software uses whole 4- or 8-byte
 * accesses (6.8.2), anything else reads as all ones and does nothing.
 */
static uint64_t msix_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_msix *m = &((struct pci_dev *)dev)->msix;
	uint64_t val = 0;

	if (size < 4 || off % size)
		return UINT64_MAX;
	if (off < m->nr * sizeof(*m->table))
		memcpy(&val, (uint8_t *)m->table + off, size);
	else if (off >= MSIX_PBA && off < MSIX_PBA + sizeof(m->pending))
		val = m->pending >> 8 * (off - MSIX_PBA);
	return val;
}

static void msix_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct pci_dev *pci = dev;
	struct pci_msix *m = &pci->msix;
	unsigned int nr = (unsigned int)(off / sizeof(*m->table));

	if (size < 4 || off % size || nr >= m->nr)
		return;
	memcpy((uint8_t *)m->table + off, &val, size);
	m->table[nr].ctrl &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	if (m->pending & 1ULL << nr && pci_msix_enabled(pci) &&
	    !masked(pci, nr))
		send(pci, nr);
}

static const struct bus_ops msix_ops = {
	.read = msix_read,
	.write = msix_write,
};

int pci_msix_init(struct pci_dev *pci, unsigned int bar, unsigned int nr)
{
	const struct bus_range range = {
		.name = pci->dev.id,
		.len = MSIX_BAR_LEN,
		.ops = &msix_ops,
		.dev = pci,
		.lock = &pci->dev.lock,
	};
	const uint32_t table = bar, pba = MSIX_PBA | bar;
	uint8_t *cap;

	assert(nr >= 1 && nr <= PCI_MSIX_MAX);
	pci->msix.table = calloc(nr, sizeof(*pci->msix.table));
	if (!pci->msix.table)
		return -ENOMEM;
	pci->msix.nr = nr;
	pci->msix.cap = pci_cap_add(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	cap = pci->config + pci->msix.cap;
	cap[PCI_MSIX_FLAGS] = (uint8_t)(nr - 1);
	memcpy(cap + PCI_MSIX_TABLE, &table, sizeof(table));
	memcpy(cap + PCI_MSIX_PBA, &pba, sizeof(pba));
	pci->wmask[pci->msix.cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	pci_bar_init(pci, bar, PCI_BAR_MEM32, &range);
	return 0;
}

void pci_msix_reset(struct pci_dev *pci)
{
	unsigned int nr;

	for (nr = 0; nr < pci->msix.nr; nr++)
		pci->msix.table[nr] = (struct msix_entry){
			.ctrl = PCI_MSIX_ENTRY_CTRL_MASKBIT,
		};
	pci->msix.pending = 0;
}

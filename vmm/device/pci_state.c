// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a function of PCI is, to save and to load: the first 256 bytes of its
 * configuration space, the level of its pin and its MSI-X table.  What a guest
 * cannot write has to be what it is here, or the guest would find another device
 * than it knows.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "../error.h"
#include "../vm.h"
#include "pci.h"

static uint32_t nr_vectors(const void *obj)
{
	return ((const struct pci_dev *)obj)->msix.nr;
}

static const struct state_field msix_fields[] = {
	{ STATE_U(struct msix_entry, addr) },
	{ STATE_U(struct msix_entry, data) },
	{ STATE_U(struct msix_entry, ctrl) },
	{ 0 },
};

const struct state_field pci_state_fields[] = {
	{ .name = "config",
	  .kind = STATE_UINT,
	  .size = 1,
	  .count = sizeof(((struct pci_dev *)NULL)->saved),
	  .offset = offsetof(struct pci_dev, saved) },
	{ STATE_BOOL(struct pci_dev, intx_level) },
	{ .name = "msix",
	  .kind = STATE_GROUP,
	  .count = PCI_MSIX_MAX,
	  .count_of = nr_vectors,
	  .stride = sizeof(struct msix_entry),
	  .offset = offsetof(struct pci_dev, msix.table),
	  .pointer = true,
	  .fields = msix_fields },
	{ .name = "msix_pending",
	  .kind = STATE_UINT,
	  .size = sizeof(uint64_t),
	  .count = PCI_MSIX_MAX / 64,
	  .offset = offsetof(struct pci_dev, msix.pending) },
	{ 0 },
};

void pci_state_prepare(struct pci_dev *pci)
{
	pthread_mutex_lock(&pci->host->lock);
	pthread_mutex_lock(&pci->dev.lock);
	memcpy(pci->saved, pci->config, sizeof(pci->saved));
	pci_msix_gather(pci);
	pthread_mutex_unlock(&pci->dev.lock);
	pthread_mutex_unlock(&pci->host->lock);
}

static int check_readonly(const struct pci_dev *pci, struct error *err)
{
	uint8_t guests;
	unsigned int i;

	for (i = 0; i < sizeof(pci->saved); i++) {
		guests = pci->wmask[i] | pci->w1cmask[i];
		if (i == PCI_STATUS)
			guests |= PCI_STATUS_INTERRUPT;
		if ((pci->saved[i] ^ pci->config[i]) & (uint8_t)~guests)
			return error_set(
				err, EINVAL,
				"config: register %#x is %#x there and %#x here: another device",
				i, pci->saved[i], pci->config[i]);
	}
	return 0;
}

int pci_state_loaded(struct pci_dev *pci, struct error *err)
{
	unsigned int i;
	int rc;

	pthread_mutex_lock(&pci->host->lock);
	rc = check_readonly(pci, err);
	if (rc) {
		pthread_mutex_unlock(&pci->host->lock);
		return rc;
	}
	for (i = 0; i < sizeof(pci->saved); i++)
		if (pci->wmask[i])
			pci->config[i] =
				(uint8_t)((pci->config[i] & ~pci->wmask[i]) |
					  (pci->saved[i] & pci->wmask[i]));
	pci_config_changed(pci);
	if (pci->msix.nr)
		pci_msix_control_changed(pci);
	pthread_mutex_unlock(&pci->host->lock);
	return 0;
}

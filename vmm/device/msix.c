// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSI-X (PCI Local Bus 3.0, section 6.8.2): one BAR holds the table and, in its
 * second half, the pending bits.
 *
 * Where the accelerator can, a vector is an eventfd, made when the vector is
 * first unmasked: whoever writes to it sends the message, with no lock.  While
 * the vector is masked nobody takes from the eventfd: what it counts is the
 * pending bit, and is sent once the accelerator listens again.  Before that, and
 * without such an accelerator, messages are sent from here.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "../vm.h"
#include "pci.h"

#define MSIX_PBA_MIN 2048

_Static_assert(sizeof(struct msix_entry) == PCI_MSIX_ENTRY_SIZE,
	       "an entry is as the guest sees it");

/* A vector's way through the accelerator. */
struct msix_vector {
	int fd;	 /* -1: there is none */
	int gsi; /* what the message is to the accelerator; -1: nothing */
	bool attached;
	bool lent;     /* others than this device signal it, too */
	bool by_fd;    /* the eventfd is the message; read without the lock */
	uint64_t addr; /* of gsi */
	uint32_t data;
};

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

static bool masked(const struct pci_dev *pci, unsigned int nr)
{
	return (control(pci) & (PCI_MSIX_FLAGS_MASKALL >> 8)) ||
	       (pci->msix.table[nr].ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool get_pending(const struct pci_msix *m, unsigned int nr)
{
	return m->pending[nr / 64] & 1ULL << nr % 64;
}

static void set_pending(struct pci_msix *m, unsigned int nr, bool pending)
{
	uint64_t bit = 1ULL << nr % 64;

	if (pending)
		m->pending[nr / 64] |= bit;
	else
		m->pending[nr / 64] &= ~bit;
}

/* What was signalled is forgotten; true if there was something. */
static bool vector_drain(struct msix_vector *v)
{
	uint64_t count;

	return v->fd >= 0 && read(v->fd, &count, sizeof(count)) > 0;
}

static void vector_detach(struct pci_dev *pci, struct msix_vector *v)
{
	struct accel *accel = pci->dev.vm->accel;

	if (!v->attached)
		return;
	accel->ops->irqfd(accel, (unsigned int)v->gsi, v->fd, -1, true);
	v->attached = false;
}

/* The accelerator is told of the message if it does not know it yet. */
static int vector_route(struct pci_dev *pci, struct msix_vector *v,
			const struct msix_entry *e)
{
	struct accel *accel = pci->dev.vm->accel;
	int rc;

	if (v->gsi >= 0 && v->addr == e->addr && v->data == e->data)
		return 0;
	rc = accel->ops->msi_route(accel, &v->gsi, e->addr, e->data);
	if (rc)
		return rc;
	v->addr = e->addr;
	v->data = e->data;
	return 0;
}

static int vector_attach(struct pci_dev *pci, unsigned int nr)
{
	struct msix_vector *v = &pci->msix.vectors[nr];
	struct accel *accel = pci->dev.vm->accel;
	int rc;

	if (!accel->ops->irqfd || !accel->ops->msi_route)
		return -EOPNOTSUPP;
	if (v->fd < 0)
		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->fd < 0)
		return -errno;
	rc = vector_route(pci, v, &pci->msix.table[nr]);
	if (rc || v->attached)
		return rc;
	rc = accel->ops->irqfd(accel, (unsigned int)v->gsi, v->fd, -1, false);
	v->attached = !rc;
	return rc;
}

/* Sends what is pending, by whichever way there is. */
static void send(struct pci_dev *pci, unsigned int nr)
{
	const struct msix_entry *e = &pci->msix.table[nr];

	set_pending(&pci->msix, nr, false);
	irq_msi(&pci->dev.vm->irqs, e->addr, e->data);
}

/* The entry or its mask has changed. */
static void vector_update(struct pci_dev *pci, unsigned int nr)
{
	struct msix_vector *v = &pci->msix.vectors[nr];
	bool by_fd;

	if (!pci_msix_enabled(pci) || masked(pci, nr)) {
		vector_detach(pci, v);
		return;
	}
	by_fd = !vector_attach(pci, nr);
	__atomic_store_n(&v->by_fd, by_fd, __ATOMIC_RELEASE);
	if (!by_fd) {
		vector_detach(pci, v);
		if (vector_drain(v))
			set_pending(&pci->msix, nr, true);
		if (v->lent && pci->msix_changed)
			pci->msix_changed(pci);
		v->lent = false;
	}
	if (get_pending(&pci->msix, nr))
		send(pci, nr);
}

bool pci_msix_signal(struct pci_dev *pci, unsigned int nr)
{
	struct msix_vector *v = &pci->msix.vectors[nr];
	uint64_t one = 1;

	if (nr >= pci->msix.nr)
		return true;
	return __atomic_load_n(&v->by_fd, __ATOMIC_ACQUIRE) &&
	       write(v->fd, &one, sizeof(one)) == sizeof(one);
}

int pci_msix_lend(struct pci_dev *pci, unsigned int nr)
{
	const struct accel_ops *ops = pci->dev.vm->accel->ops;
	struct msix_vector *v;

	if (!pci_msix_enabled(pci) || nr >= pci->msix.nr || !ops->irqfd ||
	    !ops->msi_route)
		return -EOPNOTSUPP;
	v = &pci->msix.vectors[nr];
	if (!masked(pci, nr) && !v->by_fd)
		return -EOPNOTSUPP;
	if (v->fd < 0)
		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->fd < 0)
		return -errno;
	v->lent = true;
	return v->fd;
}

void pci_msix_notify(struct pci_dev *pci, unsigned int nr)
{
	if (!pci_msix_enabled(pci) || pci_msix_signal(pci, nr))
		return;
	if (masked(pci, nr))
		set_pending(&pci->msix, nr, true);
	else
		send(pci, nr);
}

void pci_msix_control_changed(struct pci_dev *pci)
{
	unsigned int nr;

	pthread_mutex_lock(&pci->dev.lock);
	for (nr = 0; nr < pci->msix.nr; nr++)
		vector_update(pci, nr);
	if (pci->msix_changed)
		pci->msix_changed(pci);
	pthread_mutex_unlock(&pci->dev.lock);
}

/* The pending bits from @nr on, as many as a register has. */
static uint64_t read_pending(struct pci_dev *pci, unsigned int nr,
			     unsigned int bits)
{
	struct pci_msix *m = &pci->msix;
	uint64_t val = 0;
	unsigned int i;

	for (i = 0; i < bits && nr + i < m->nr; i++) {
		struct msix_vector *v = &m->vectors[nr + i];
		struct pollfd p = { .fd = v->fd, .events = POLLIN };

		if (get_pending(m, nr + i) ||
		    (v->fd >= 0 && !v->attached && poll(&p, 1, 0) > 0))
			val |= 1ULL << i;
	}
	return val;
}

/*
 * Entries are read and written as they are; software uses whole 4- or 8-byte
 * accesses (6.8.2), anything else reads as all ones and does nothing.
 */
static uint64_t msix_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_dev *pci = dev;
	struct pci_msix *m = &pci->msix;
	uint64_t val = 0;

	if (size < 4 || off % size)
		return UINT64_MAX;
	if (off < m->nr * sizeof(*m->table))
		memcpy(&val, (uint8_t *)m->table + off, size);
	else if (off >= m->pba && off < m->pba + (m->nr + 63) / 64 * 8)
		val = read_pending(pci, (unsigned int)(off - m->pba) * 8,
				   size * 8);
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
	vector_update(pci, nr);
}

static const struct bus_ops msix_ops = {
	.read = msix_read,
	.write = msix_write,
};

int pci_msix_init(struct pci_dev *pci, unsigned int bar, unsigned int nr)
{
	struct pci_msix *m = &pci->msix;
	struct bus_range range = {
		.name = pci->dev.id,
		.ops = &msix_ops,
		.dev = pci,
		.lock = &pci->dev.lock,
	};
	const uint16_t flags = (uint16_t)(nr - 1);
	uint32_t pba = MSIX_PBA_MIN;
	unsigned int i;
	uint8_t *cap;

	assert(nr >= 1 && nr <= PCI_MSIX_MAX);
	while (pba < nr * sizeof(*m->table))
		pba *= 2;
	m->table = calloc(nr, sizeof(*m->table));
	m->vectors = calloc(nr, sizeof(*m->vectors));
	if (!m->table || !m->vectors) {
		free(m->table);
		free(m->vectors);
		m->table = NULL;
		m->vectors = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		m->vectors[i].fd = -1;
		m->vectors[i].gsi = -1;
	}
	m->nr = nr;
	m->pba = pba;
	m->cap = pci_cap_add(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	cap = pci->config + m->cap;
	memcpy(cap + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	memcpy(cap + PCI_MSIX_TABLE, &(uint32_t){ bar }, 4);
	memcpy(cap + PCI_MSIX_PBA, &(uint32_t){ pba | bar }, 4);
	pci->wmask[m->cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	range.len = 2ULL * pba;
	pci_bar_init(pci, bar, PCI_BAR_MEM32, &range);
	return 0;
}

void pci_msix_gather(struct pci_dev *pci)
{
	struct pci_msix *m = &pci->msix;
	unsigned int nr;

	for (nr = 0; nr < m->nr; nr++)
		if (!m->vectors[nr].attached && vector_drain(&m->vectors[nr]))
			set_pending(m, nr, true);
}

void pci_msix_reset(struct pci_dev *pci)
{
	struct pci_msix *m = &pci->msix;
	unsigned int nr;

	for (nr = 0; nr < m->nr; nr++) {
		vector_detach(pci, &m->vectors[nr]);
		vector_drain(&m->vectors[nr]);
		set_pending(m, nr, false);
		m->table[nr] = (struct msix_entry){
			.ctrl = PCI_MSIX_ENTRY_CTRL_MASKBIT,
		};
	}
}

void pci_msix_destroy(struct pci_dev *pci)
{
	struct accel *accel = pci->dev.vm->accel;
	struct pci_msix *m = &pci->msix;
	struct msix_vector *v;

	for (v = m->vectors; v < m->vectors + m->nr; v++) {
		vector_detach(pci, v);
		if (v->gsi >= 0)
			accel->ops->msi_unroute(accel, v->gsi);
		if (v->fd >= 0)
			close(v->fd);
	}
	free(m->vectors);
	free(m->table);
}

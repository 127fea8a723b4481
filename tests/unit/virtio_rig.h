/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with RAM, buses, a loop, PCI and one virtio device, and a driver
 * for it: what the tests of virtio devices have in common.
 */
#ifndef TEST_VIRTIO_RIG_H
#define TEST_VIRTIO_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "config.h"
#include "device/pci.h"
#include "error.h"
#include "virtio/pci.h"
#include "vm.h"

#define RIG_NUM 16
#define RIG_RAM (4ULL << 20)
#define RIG_FEATURES (1ULL << VIRTIO_F_VERSION_1)

/* Where queue @q and its indirect table lie; buffers begin at RIG_DATA. */
#define RIG_DESC(q) (0x10000 + 0x4000ULL * (q))
#define RIG_AVAIL(q) (RIG_DESC(q) + 0x1000)
#define RIG_USED(q) (RIG_DESC(q) + 0x2000)
#define RIG_DATA 0x100000ULL

/* Where the value decides, it is part of the address. */
struct rig_bell {
	uint64_t addr; /* and then << 16 | value */
	int fd;
};

/* A message that the accelerator sends when an eventfd is signalled. */
struct rig_route {
	bool used;
	int fd; /* 0: none is attached */
	uint32_t data;
};

struct rig {
	struct accel accel;
	struct config cfg;
	struct vm vm;
	struct device *dev;
	struct pci_dev *pci;
	struct bus_hint hint;
	struct loop_timer timer;
	unsigned int msis[8];
	bool pin;
	pthread_mutex_t bell_lock;
	struct rig_bell bells[8];
	bool no_bells; /* ioeventfd fails */
	struct rig_route routes[8];
	bool no_routes; /* msi_route fails */
	uint16_t next_desc[8];
	uint16_t used_seen[8];
};

/* A buffer that a driver gives: @write if it is for the device to fill. */
struct rig_buf {
	uint64_t addr;
	uint32_t len;
	bool write;
};

static inline struct rig *rig_of(struct accel *accel)
{
	return container_of(accel, struct rig, accel);
}

static inline int rig_irq_line(struct accel *accel, unsigned int gsi,
			       bool level)
{
	(void)gsi;
	rig_of(accel)->pin = level;
	return 0;
}

/* The tests write the number of a vector into its message. */
static inline int rig_msi(struct accel *accel, uint64_t addr, uint32_t data)
{
	struct rig *rig = rig_of(accel);

	assert_int_equal(addr, 0xfee00000);
	rig->msis[data & 7]++;
	return 0;
}

static inline int rig_ioeventfd(struct accel *accel, enum bus_kind bus,
				uint64_t addr, unsigned int size, bool match,
				uint64_t data, int fd, bool remove)
{
	struct rig *rig = rig_of(accel);
	struct rig_bell *b, *found = NULL;

	assert_int_equal(size, bus == BUS_PIO ? 2 : match ? 4 : 0);
	if (match)
		addr = addr << 16 | data;
	if (rig->no_bells)
		return -ENOSPC;
	pthread_mutex_lock(&rig->bell_lock);
	for (b = rig->bells; b < rig->bells + 8 && !found; b++)
		if (remove ? b->addr == addr && b->fd == fd : !b->addr)
			found = b;
	assert_non_null(found);
	found->addr = remove ? 0 : addr;
	found->fd = fd;
	pthread_mutex_unlock(&rig->bell_lock);
	return 0;
}

static const struct accel_ops rig_accel_ops = {
	.name = "rig",
	.irq_line = rig_irq_line,
	.msi = rig_msi,
	.ioeventfd = rig_ioeventfd,
};

#define RIG_GSI 24

static inline int rig_msi_route(struct accel *accel, int *gsi, uint64_t addr,
				uint32_t data)
{
	struct rig *rig = rig_of(accel);
	int i = *gsi - RIG_GSI;

	assert_int_equal(addr, 0xfee00000);
	if (rig->no_routes)
		return -ENOSPC;
	if (*gsi < 0)
		for (i = 0; rig->routes[i].used; i++)
			assert_in_range(i, 0, 6);
	rig->routes[i].used = true;
	rig->routes[i].data = data;
	*gsi = RIG_GSI + i;
	return 0;
}

static inline void rig_msi_unroute(struct accel *accel, int gsi)
{
	struct rig_route *r = &rig_of(accel)->routes[gsi - RIG_GSI];

	assert_true(r->used);
	assert_int_equal(r->fd, 0);
	r->used = false;
}

/* What has been signalled by now. */
static inline void rig_routes(struct rig *rig)
{
	struct rig_route *r;
	uint64_t count;

	for (r = rig->routes; r < rig->routes + 8; r++)
		if (r->fd && read(r->fd, &count, 8) == 8)
			rig->msis[r->data & 7] += (unsigned int)count;
}

static inline int rig_irqfd(struct accel *accel, unsigned int gsi, int fd,
			    int resamplefd, bool remove)
{
	struct rig_route *r = &rig_of(accel)->routes[gsi - RIG_GSI];

	assert_true(r->used);
	assert_int_equal(resamplefd, -1);
	assert_int_equal(r->fd, remove ? fd : 0);
	rig_routes(rig_of(accel));
	r->fd = remove ? 0 : fd;
	rig_routes(rig_of(accel));
	return 0;
}

/* The same with messages by eventfd. */
static const struct accel_ops rig_accel_irqfd_ops = {
	.name = "rig",
	.irq_line = rig_irq_line,
	.msi = rig_msi,
	.msi_route = rig_msi_route,
	.msi_unroute = rig_msi_unroute,
	.irqfd = rig_irqfd,
	.ioeventfd = rig_ioeventfd,
};

static inline unsigned int rig_bells(const struct rig *rig)
{
	unsigned int i, n = 0;

	for (i = 0; i < 8; i++)
		n += rig->bells[i].addr != 0;
	return n;
}

static inline void rig_stop_loop(void *opaque)
{
	loop_stop(((struct rig *)opaque)->vm.loop);
}

/* Runs the loop until all that was asked for is surely done. */
static inline void rig_run(struct rig *rig)
{
	rig->timer.fn = rig_stop_loop;
	rig->timer.opaque = rig;
	loop_timer_arm(rig->vm.loop, &rig->timer, loop_now() + 10000000);
	assert_int_equal(loop_run(rig->vm.loop), 0);
	rig_routes(rig);
}

static inline uint64_t rig_bar(const struct rig *rig, unsigned int nr)
{
	return rig->pci->bars[nr].range.base;
}

static inline uint64_t rig_read(struct rig *rig, uint64_t off,
				unsigned int size)
{
	return bus_read(&rig->vm.mmio, &rig->hint,
			rig_bar(rig, VIRTIO_PCI_BAR) + off, size);
}

static inline void rig_write(struct rig *rig, uint64_t off, unsigned int size,
			     uint64_t val)
{
	bus_write(&rig->vm.mmio, &rig->hint, rig_bar(rig, VIRTIO_PCI_BAR) + off,
		  size, val);
}

static inline uint32_t rig_cfg_read(struct rig *rig, unsigned int off,
				    unsigned int size)
{
	return pci_config_read(rig->vm.pci, rig->pci->devfn, off, size);
}

static inline void rig_cfg_write(struct rig *rig, unsigned int off,
				 unsigned int size, uint32_t val)
{
	pci_config_write(rig->vm.pci, rig->pci->devfn, off, size, val);
}

/* The offset of capability @id (vendor: of structure @type), or 0. */
static inline unsigned int rig_cap(struct rig *rig, uint8_t id, uint8_t type)
{
	unsigned int at = rig_cfg_read(rig, PCI_CAPABILITY_LIST, 1);
	unsigned int n;

	for (n = 0; at && n < 48; n++) {
		if (rig_cfg_read(rig, at, 1) == id &&
		    (id != PCI_CAP_ID_VNDR ||
		     rig_cfg_read(rig, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) ==
			     type))
			return at;
		at = rig_cfg_read(rig, at + 1, 1);
	}
	return 0;
}

static inline void rig_msix_on(struct rig *rig)
{
	unsigned int cap = rig_cap(rig, PCI_CAP_ID_MSIX, 0);
	uint64_t table = rig_bar(rig, VIRTIO_PCI_BAR_MSIX);
	unsigned int i;

	assert_int_not_equal(cap, 0);
	for (i = 0; i < rig->pci->msix.nr; i++) {
		bus_write(&rig->vm.mmio, &rig->hint, table + 16 * i, 4,
			  0xfee00000);
		bus_write(&rig->vm.mmio, &rig->hint, table + 16 * i + 4, 4, 0);
		bus_write(&rig->vm.mmio, &rig->hint, table + 16 * i + 8, 4, i);
		bus_write(&rig->vm.mmio, &rig->hint, table + 16 * i + 12, 4, 0);
	}
	rig_cfg_write(rig, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

/* What the next machine's configuration says. */
static struct config rig_next_config;

/* The machine; returns what realizing the device returned. */
static inline int rig_init_on(struct rig **out, const struct accel_ops *ops,
			      const struct dev_class *class, const void *config,
			      struct error *err)
{
	const struct mem_options mem = { .size = RIG_RAM };
	struct rig *rig = calloc(1, sizeof(*rig));
	int rc;

	assert_non_null(rig);
	pthread_mutex_init(&rig->bell_lock, NULL);
	rig->accel.ops = ops;
	rig->vm.accel = &rig->accel;
	rig->cfg = rig_next_config;
	rig->cfg.sandbox = SANDBOX_OFF;
	rig->vm.ids = -1;
	memset(&rig_next_config, 0, sizeof(rig_next_config));
	rig->vm.cfg = &rig->cfg;
	rig->vm.fast.vm_fd = -1;
	rig->vm.fast.queue_fd = -1;
	assert_int_equal(mem_init(&rig->vm.mem, &mem_backend_memfd, &mem, err),
			 0);
	assert_int_equal(loop_new(&rig->vm.loop, err), 0);
	bus_init(&rig->vm.pio, BUS_PIO);
	bus_init(&rig->vm.mmio, BUS_MMIO);
	irqs_init(&rig->vm.irqs, &rig->accel);
	assert_int_equal(device_create(&rig->vm, &q35_host_class, 0, NULL, NULL,
				       err),
			 0);
	rc = device_create(&rig->vm, class, 0, config, &rig->dev, err);
	if (!rc)
		assert_int_equal(devices_begin(&rig->vm, err), 0);
	if (!rc) {
		rig->pci = container_of(rig->dev, struct pci_dev, dev);
		devices_reset(&rig->vm);
		devices_start(&rig->vm);
		if (rig->cfg.virtio.transport == VIRTIO_PCI)
			assert_true(rig->pci->bars[VIRTIO_PCI_BAR].mapped);
	}
	*out = rig;
	return rc;
}

static inline int rig_init(struct rig **out, const struct dev_class *class,
			   const void *config, struct error *err)
{
	return rig_init_on(out, &rig_accel_ops, class, config, err);
}

static inline struct rig *rig_new(const struct dev_class *class,
				  const void *config)
{
	struct error err = { "" };
	struct rig *rig;

	if (rig_init(&rig, class, config, &err))
		fail_msg("%s", err.text);
	return rig;
}

static inline void rig_free(struct rig *rig)
{
	devices_stop(&rig->vm);
	devices_destroy(&rig->vm);
	assert_int_equal(rig_bells(rig), 0);
	irqs_destroy(&rig->vm.irqs);
	bus_destroy(&rig->vm.mmio);
	bus_destroy(&rig->vm.pio);
	loop_free(rig->vm.loop);
	mem_destroy(&rig->vm.mem);
	free(rig);
}

/* What the machine says of its disks. */
struct rig_watch {
	struct rig *rig;
	struct vm_listener listener;
	unsigned int io_errors;
	struct vm_io_error last;
	unsigned int moves; /* of trays */
};

static inline void rig_on_event(void *opaque, enum vm_event event,
				enum vm_cause cause)
{
	struct rig_watch *w = opaque;

	(void)cause;
	w->moves += event == VM_EVENT_TRAY;
	if (event != VM_EVENT_IO_ERROR)
		return;
	w->io_errors++;
	w->last = w->rig->vm.io_error;
}

static inline void rig_watch(struct rig *rig, struct rig_watch *w)
{
	*w = (struct rig_watch){ .rig = rig };
	w->listener.fn = rig_on_event;
	w->listener.opaque = w;
	vm_listen(&rig->vm, &w->listener);
}

static inline void rig_wait_error(struct rig_watch *w)
{
	unsigned int tries = 500;

	while (!w->io_errors && tries--)
		rig_run(w->rig);
	assert_true(w->io_errors);
}

static inline uint8_t rig_status(struct rig *rig)
{
	return (uint8_t)rig_read(rig, VIRTIO_PCI_COMMON_STATUS, 1);
}

static inline void rig_set_status(struct rig *rig, uint8_t status)
{
	rig_write(rig, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

/* Up to FEATURES_OK. */
static inline void rig_negotiate(struct rig *rig, uint64_t features)
{
	unsigned int i;

	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
	rig_set_status(rig, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	rig_set_status(rig,
		       VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (i = 0; i < 2; i++) {
		rig_write(rig, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		rig_write(rig, VIRTIO_PCI_COMMON_GF, 4, features >> (32 * i));
	}
	rig_set_status(rig, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				    VIRTIO_CONFIG_S_DRIVER |
				    VIRTIO_CONFIG_S_FEATURES_OK);
}

static inline void rig_queue(struct rig *rig, unsigned int q)
{
	memset(mem_ptr(&rig->vm.mem, RIG_DESC(q), 0x4000, MEM_WRITE), 0,
	       0x4000);
	rig->next_desc[q] = 0;
	rig->used_seen[q] = 0;
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2, RIG_NUM);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, q);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4, RIG_DESC(q));
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_AVAILLO, 4, RIG_AVAIL(q));
	rig_write(rig, VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_USEDLO, 4, RIG_USED(q));
	rig_write(rig, VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static inline void rig_driver_ok(struct rig *rig)
{
	rig_set_status(rig, rig_status(rig) | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* All of the above, with all queues of the device. */
static inline void rig_drive(struct rig *rig, uint64_t features)
{
	struct virtio_pci *vpci =
		container_of(rig->pci, struct virtio_pci, pci);
	unsigned int i, n = vpci->vdev.nr_queues;

	rig_msix_on(rig);
	rig_negotiate(rig, features | RIG_FEATURES);
	assert_true(rig_status(rig) & VIRTIO_CONFIG_S_FEATURES_OK);
	rig_write(rig, VIRTIO_PCI_COMMON_MSIX, 2, n);
	for (i = 0; i < n; i++)
		rig_queue(rig, i);
	rig_driver_ok(rig);
	rig_run(rig);
}

static inline void *rig_mem(struct rig *rig, uint64_t gpa, uint64_t len)
{
	void *p = mem_ptr(&rig->vm.mem, gpa, len, MEM_WRITE);

	assert_non_null(p);
	return p;
}

/* Makes a chain available and returns its head. */
static inline uint16_t rig_add(struct rig *rig, unsigned int q,
			       const struct rig_buf *bufs, unsigned int nr)
{
	struct vring_desc *desc = rig_mem(rig, RIG_DESC(q), 16 * RIG_NUM);
	struct vring_avail *avail = rig_mem(rig, RIG_AVAIL(q), 6 + 2 * RIG_NUM);
	uint16_t head = rig->next_desc[q] % RIG_NUM;
	unsigned int i, at;

	for (i = 0; i < nr; i++) {
		at = rig->next_desc[q]++ % RIG_NUM;
		desc[at].addr = bufs[i].addr;
		desc[at].len = bufs[i].len;
		desc[at].flags = (bufs[i].write ? VRING_DESC_F_WRITE : 0) |
				 (i + 1 < nr ? VRING_DESC_F_NEXT : 0);
		desc[at].next = (at + 1) % RIG_NUM;
	}
	avail->ring[avail->idx % RIG_NUM] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
	return head;
}

/* Rings a doorbell as the accelerator would; false if there is none. */
static inline bool rig_ring_bell(struct rig *rig, uint64_t addr)
{
	uint64_t one = 1;
	bool rang = false;
	unsigned int i;

	pthread_mutex_lock(&rig->bell_lock);
	for (i = 0; i < 8 && !rang; i++)
		rang = rig->bells[i].addr == addr &&
		       write(rig->bells[i].fd, &one, 8) == 8;
	pthread_mutex_unlock(&rig->bell_lock);
	return rang;
}

/* The port, or if there are none, the address, that rings a queue. */
static inline uint64_t rig_bell_addr(const struct rig *rig, unsigned int q)
{
	if (rig->pci->bars[VIRTIO_PCI_BAR_BELL].mapped)
		return rig_bar(rig, VIRTIO_PCI_BAR_BELL) +
		       VIRTIO_PCI_BELL_STEP * q;
	return rig_bar(rig, VIRTIO_PCI_BAR) + VIRTIO_PCI_NOTIFY +
	       VIRTIO_PCI_NOTIFY_STEP * q;
}

/* Rings a queue, which may take no lock of the device. */
static inline void rig_ring(struct rig *rig, unsigned int q)
{
	struct bus *bus = rig->pci->bars[VIRTIO_PCI_BAR_BELL].mapped ?
				  &rig->vm.pio :
				  &rig->vm.mmio;

	if (!rig_ring_bell(rig, rig_bell_addr(rig, q)))
		bus_write(bus, &rig->hint, rig_bell_addr(rig, q), 2, q);
}

/* And lets the loop work. */
static inline void rig_kick(struct rig *rig, unsigned int q)
{
	rig_ring(rig, q);
	rig_run(rig);
}

/* The number of chains that have come back since the last call. */
static inline unsigned int rig_used(struct rig *rig, unsigned int q,
				    struct vring_used_elem *last)
{
	struct vring_used *used = rig_mem(rig, RIG_USED(q), 6 + 8 * RIG_NUM);
	uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(idx - rig->used_seen[q]);

	if (n && last)
		*last = used->ring[(uint16_t)(idx - 1) % RIG_NUM];
	rig->used_seen[q] = idx;
	return n;
}

#endif

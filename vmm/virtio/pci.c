// SPDX-License-Identifier: GPL-2.0-or-later
#include "pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "../config.h"
#include "../error.h"
#include "../vm.h"
#include "mmio.h"
#include "pci_legacy.h"

#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_DEVICE_VIRTIO 0x1040

/* ISR status (4.1.4.5). */
#define ISR_QUEUE 1
#define ISR_CONFIG 2

/*
 * The common configuration with fields that <linux/virtio_pci.h> may not know
 * yet: queue_notify_data, of a feature that is not offered and so 0, and
 * queue_reset (4.1.4.3).
 */
#define COMMON_LEN 64
#define COMMON_Q_RESET 58

static struct virtio_pci *to_vpci(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_pci, vdev);
}

/* ---- what the driver reads, with dev->lock held --------------------------- */

/* In the shadow page. */
#define SHADOW_COMMON 0
#define SHADOW_ISR 0x80	 /* what ISR status is */
#define SHADOW_ZERO 0x84 /* what reads then see, which does not change */
#define SHADOW_DEVICE 0x100

static void show_queue(struct virtio_pci_common_cfg *c,
		       const struct virtio_queue *vq)
{
	c->queue_size = vq->at.num;
	c->queue_msix_vector = vq->vector;
	c->queue_enable = vq->enabled;
	c->queue_notify_off = vq->index;
	c->queue_desc_lo = (uint32_t)vq->at.desc;
	c->queue_desc_hi = (uint32_t)(vq->at.desc >> 32);
	c->queue_avail_lo = (uint32_t)vq->at.avail;
	c->queue_avail_hi = (uint32_t)(vq->at.avail >> 32);
	c->queue_used_lo = (uint32_t)vq->at.used;
	c->queue_used_hi = (uint32_t)(vq->at.used >> 32);
}

/* All of it follows from the state: what was written, and what was selected. */
static void show_common(struct virtio_pci *vpci)
{
	struct virtio_dev *vdev = &vpci->vdev;
	union {
		struct virtio_pci_common_cfg c;
		uint64_t words[COMMON_LEN / 8];
		uint16_t halves[COMMON_LEN / 2];
	} image = {
		.words = { 0 },
	};
	struct virtio_pci_common_cfg *c = &image.c;
	unsigned int i;

	c->device_feature_select = vpci->device_select;
	c->device_feature = virtio_features_read(vdev, vpci->device_select);
	c->guest_feature_select = vpci->driver_select;
	if (vpci->driver_select < 2)
		c->guest_feature = (uint32_t)(vdev->driver_features >>
					      32 * vpci->driver_select);
	c->msix_config = vpci->config_vector;
	c->num_queues = vdev->nr_queues;
	c->device_status = vdev->status;
	c->config_generation = vdev->config_generation;
	c->queue_select = vpci->queue_select;
	/* Else zeros: a size of 0 says that there is no such queue. */
	if (vpci->queue_select < vdev->nr_queues) {
		show_queue(c, &vdev->queues[vpci->queue_select]);
		image.halves[COMMON_Q_RESET / 2] =
			vdev->queues[vpci->queue_select].resetting;
	}

	for (i = 0; i < COMMON_LEN / 8; i++)
		fast_shadow64(&vpci->fast, SHADOW_COMMON + 8 * i,
			      image.words[i]);
}

static void vpci_show(struct virtio_dev *vdev)
{
	struct virtio_pci *vpci = to_vpci(vdev);
	const uint8_t *config = vdev->config;
	unsigned int i;

	for (i = 0; i < vdev->config_len; i++)
		fast_shadow8(&vpci->fast, SHADOW_DEVICE + i, config[i]);
	show_common(vpci);
}

/*
 * Writes, and what is wider or reaches further, come to bar_read and -write; so
 * do reads of an ISR status that is not 0, since they lower the pin.
 */
static void rules_init(struct virtio_pci *vpci)
{
	struct vireo_rule *rule = vpci->rules;

	*rule++ = (struct vireo_rule){
		.type = VIREO_RULE_SHADOW,
		.offset = VIRTIO_PCI_COMMON,
		.len = COMMON_LEN,
		.shadow = SHADOW_COMMON,
	};
	*rule++ = (struct vireo_rule){
		.type = VIREO_RULE_INDEXED,
		.offset = VIRTIO_PCI_ISR_STATUS,
		.len = 1,
		.shadow = SHADOW_ZERO,
		.index = SHADOW_ISR,
		.mask = UINT8_MAX,
	};
	if (vpci->vdev.config_len)
		*rule++ = (struct vireo_rule){
			.type = VIREO_RULE_SHADOW,
			.offset = VIRTIO_PCI_DEVICE,
			.len = (uint32_t)vpci->vdev.config_len,
			.shadow = SHADOW_DEVICE,
		};
	vpci->fast.rules = vpci->rules;
	vpci->fast.nr_rules = (uint32_t)(rule - vpci->rules);
}

/* ---- interrupts ---------------------------------------------------------- */

static void isr_set(struct virtio_pci *vpci, uint8_t isr)
{
	vpci->isr = isr;
	fast_shadow32(&vpci->fast, SHADOW_ISR, isr);
}

/* Message @vector, or the pin, which is high while ISR status is not 0. */
static void vpci_signal(struct virtio_pci *vpci, uint16_t vector, uint8_t isr)
{
	if (pci_msix_enabled(&vpci->pci)) {
		/* Its configuration bit is set all the same (4.1.4.5.1). */
		isr_set(vpci, vpci->isr | (isr & ISR_CONFIG));
		if (vector != VIRTIO_NO_VECTOR)
			pci_msix_notify(&vpci->pci, vector);
		return;
	}
	isr_set(vpci, vpci->isr | isr);
	pci_intx_set(&vpci->pci, true);
}

/* Without the lock if the accelerator sends the message. */
static void vpci_signal_queue(struct virtio_dev *vdev, struct virtio_queue *vq)
{
	struct virtio_pci *vpci = to_vpci(vdev);
	uint16_t vector = __atomic_load_n(&vq->vector, __ATOMIC_RELAXED);

	if (pci_msix_enabled(&vpci->pci) && pci_msix_signal(&vpci->pci, vector))
		return;
	pthread_mutex_lock(&vdev->dev->lock);
	vpci_signal(vpci, vq->vector, ISR_QUEUE);
	pthread_mutex_unlock(&vdev->dev->lock);
}

static void vpci_signal_config(struct virtio_dev *vdev)
{
	struct virtio_pci *vpci = to_vpci(vdev);

	vpci_signal(vpci, vpci->config_vector, ISR_CONFIG);
}

uint8_t virtio_pci_isr_read(struct virtio_pci *vpci)
{
	uint8_t isr = vpci->isr;

	isr_set(vpci, 0);
	pci_intx_set(&vpci->pci, false);
	return isr;
}

/* ---- doorbells ----------------------------------------------------------- */

/*
 * [lock] Where a driver that is not a legacy one rings a queue: at a port, or
 * where those are not mapped, at an address.
 */
static void bell_place(const struct virtio_pci *vpci,
		       const struct virtio_queue *vq,
		       struct virtio_wires *wires)
{
	bool port = vpci->bell_base;
	unsigned int step = port ? VIRTIO_PCI_BELL_STEP :
				   VIRTIO_PCI_NOTIFY_STEP;

	wires->bell_bus = port ? BUS_PIO : BUS_MMIO;
	wires->bell =
		(port ? vpci->bell_base : vpci->bar_base + VIRTIO_PCI_NOTIFY) +
		vq->index * step;
	wires->bell_len = step;
}

/*
 * [lock] The accelerator signals it or no longer does.  A legacy driver writes
 * the numbers of all queues to one port.
 */
static int doorbell_wire(struct virtio_pci *vpci, struct virtio_queue *vq,
			 bool on)
{
	struct accel *accel = vpci->pci.dev.vm->accel;
	struct virtio_wires at;

	if (vpci->legacy)
		return accel->ops->ioeventfd(accel, BUS_PIO,
					     vpci->io_base +
						     VIRTIO_LEGACY_NOTIFY,
					     2, true, vq->index,
					     vq->doorbell.fd, !on);
	bell_place(vpci, vq, &at);
	/* Memory by any width: then KVM need not look at the instruction. */
	return accel->ops->ioeventfd(accel, at.bell_bus, at.bell,
				     at.bell_bus == BUS_PIO ? at.bell_len : 0,
				     false, 0, vq->doorbell.fd, !on);
}

/* [lock] A queue whose doorbell is not an eventfd is rung through the bus. */
static void doorbell_set(struct virtio_pci *vpci, struct virtio_queue *vq,
			 bool on)
{
	on = on && vq->doorbell_ready &&
	     (vpci->legacy ? vpci->io_base : vpci->bell_base || vpci->bar_base);
	if (vq->doorbell_on == on)
		return;
	if (doorbell_wire(vpci, vq, on) && on)
		return;
	vq->doorbell_on = on;
}

/* [lock] */
static void doorbells_set(struct virtio_pci *vpci, bool on)
{
	struct virtio_dev *vdev = &vpci->vdev;
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		doorbell_set(vpci, &vdev->queues[i], on);
}

static void vpci_doorbell(struct virtio_queue *vq, bool on)
{
	vq->doorbell_ready = on;
	doorbell_set(to_vpci(vq->vdev), vq, on);
}

static const char *vpci_wires(struct virtio_queue *vq,
			      struct virtio_wires *wires)
{
	struct virtio_pci *vpci = to_vpci(vq->vdev);

	if (vpci->legacy)
		return "the driver uses the legacy interface";
	if (!vpci->bell_base && !vpci->bar_base)
		return "its doorbell has no address";
	if (!pci_msix_enabled(&vpci->pci) || vq->vector == VIRTIO_NO_VECTOR)
		return "the driver uses no MSI-X";
	bell_place(vpci, vq, wires);
	wires->call_fd = pci_msix_lend(&vpci->pci, vq->vector);
	return wires->call_fd < 0 ? "no eventfd sends its messages" : NULL;
}

static void vpci_msix_changed(struct pci_dev *pci)
{
	virtio_rewire_all(&container_of(pci, struct virtio_pci, pci)->vdev);
}

static void vpci_bar_mapped(struct pci_dev *pci, unsigned int nr, bool mapped)
{
	struct virtio_pci *vpci = container_of(pci, struct virtio_pci, pci);
	uint64_t *base = nr == VIRTIO_PCI_BAR	     ? &vpci->bar_base :
			 nr == VIRTIO_PCI_BAR_LEGACY ? &vpci->io_base :
			 nr == VIRTIO_PCI_BAR_BELL   ? &vpci->bell_base :
						       NULL;

	if (!base)
		return;
	pthread_mutex_lock(&pci->dev.lock);
	/* Adding or removing waits for a grace period of KVM, no more. */
	doorbells_set(vpci, false);
	*base = mapped ? pci->bars[nr].range.base : 0;
	doorbells_set(vpci, true);
	virtio_rewire_all(&vpci->vdev);
	pthread_mutex_unlock(&pci->dev.lock);
}

static void queue_regs_reset(struct virtio_pci *vpci, struct virtio_queue *vq)
{
	doorbell_set(vpci, vq, false);
	vq->doorbell_ready = false;
	__atomic_store_n(&vq->vector, VIRTIO_NO_VECTOR, __ATOMIC_RELAXED);
}

static void vpci_reset_queue(struct virtio_queue *vq)
{
	struct virtio_pci *vpci = to_vpci(vq->vdev);

	queue_regs_reset(vpci, vq);
	show_common(vpci);
}

static void vpci_reset_regs(struct virtio_dev *vdev)
{
	struct virtio_pci *vpci = to_vpci(vdev);
	unsigned int i;

	vpci->device_select = 0;
	vpci->driver_select = 0;
	vpci->queue_select = 0;
	vpci->config_vector = VIRTIO_NO_VECTOR;
	for (i = 0; i < vdev->nr_queues; i++)
		queue_regs_reset(vpci, &vdev->queues[i]);
	vpci->legacy = false;
	virtio_pci_isr_read(vpci);
	vpci_show(vdev);
}

static const struct virtio_transport vpci_transport = {
	.signal_queue = vpci_signal_queue,
	.signal_config = vpci_signal_config,
	.show = vpci_show,
	.reset = vpci_reset_regs,
	.reset_queue = vpci_reset_queue,
	.doorbell = vpci_doorbell,
	.wires = vpci_wires,
};

/* ---- the structures in the BAR, with dev->lock held ---------------------- */

/* A vector that does not exist reads back as none (4.1.5.1.2.1). */
void virtio_pci_set_vector(struct virtio_pci *vpci, struct virtio_queue *vq,
			   uint16_t vector)
{
	if (vector >= vpci->pci.msix.nr)
		vector = VIRTIO_NO_VECTOR;
	if (vq && vq->vector != vector)
		virtio_rewire(vq);
	__atomic_store_n(vq ? &vq->vector : &vpci->config_vector, vector,
			 __ATOMIC_RELAXED);
}

static void store_half(uint64_t *reg, bool high, unsigned int size,
		       uint64_t val)
{
	if (high)
		*reg = (uint32_t)*reg | val << 32;
	else if (size == 8)
		*reg = val;
	else
		*reg = (*reg & ~(uint64_t)UINT32_MAX) | (uint32_t)val;
}

/* Queue registers are frozen while the queue is enabled. */
static void queue_write(struct virtio_pci *vpci, uint64_t off,
			unsigned int size, uint64_t val)
{
	struct virtio_dev *vdev = &vpci->vdev;
	struct virtio_queue *vq;

	if (off == VIRTIO_PCI_COMMON_Q_MSIX) {
		if (vpci->queue_select < vdev->nr_queues)
			virtio_pci_set_vector(vpci,
					      &vdev->queues[vpci->queue_select],
					      (uint16_t)val);
		return;
	}
	if (off == COMMON_Q_RESET) {
		if ((uint16_t)val == 1)
			virtio_queue_reset(vdev, vpci->queue_select);
		return;
	}
	vq = virtio_queue_setup(vdev, vpci->queue_select);
	if (!vq)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if ((uint16_t)val <= vdev->queue_size)
			vq->at.num = (uint16_t)val;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if ((uint16_t)val == 1)
			virtio_queue_enable(vq);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		store_half(&vq->at.desc, off & 4, size, val);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		store_half(&vq->at.avail, off & 4, size, val);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		store_half(&vq->at.used, off & 4, size, val);
		break;
	}
}

static void common_write(struct virtio_pci *vpci, uint64_t off,
			 unsigned int size, uint64_t val)
{
	struct virtio_dev *vdev = &vpci->vdev;

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vpci->device_select = (uint32_t)val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vpci->driver_select = (uint32_t)val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_features_write(vdev, vpci->driver_select, (uint32_t)val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		virtio_pci_set_vector(vpci, NULL, (uint16_t)val);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_status_write(vdev, (uint8_t)val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vpci->queue_select = (uint16_t)val;
		break;
	default:
		queue_write(vpci, off, size, val);
	}
	show_common(vpci);
}

/* What the rules do not decide, or a read through configuration space. */
static uint64_t bar_read(void *opaque, uint64_t off, unsigned int size)
{
	struct virtio_pci *vpci = opaque;
	struct fast_value v = fast_rules_read(&vpci->fast, off, size);

	if (v.known)
		return v.val;
	if (off == VIRTIO_PCI_ISR_STATUS)
		return virtio_pci_isr_read(vpci);
	return UINT64_MAX;
}

static void bar_write(void *opaque, uint64_t off, unsigned int size,
		      uint64_t val)
{
	struct virtio_pci *vpci = opaque;

	if (off < VIRTIO_PCI_ISR_STATUS)
		common_write(vpci, off, size, val);
	else if (off >= VIRTIO_PCI_DEVICE && off < VIRTIO_PCI_NOTIFY)
		virtio_config_write(&vpci->vdev, off - VIRTIO_PCI_DEVICE, size,
				    val);
	else if (off >= VIRTIO_PCI_NOTIFY)
		virtio_kick(&vpci->vdev,
			    (off - VIRTIO_PCI_NOTIFY) / VIRTIO_PCI_NOTIFY_STEP);
}

static const struct bus_ops bar_ops = {
	.read = bar_read,
	.write = bar_write,
};

static uint64_t bell_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	(void)off;
	(void)size;
	return UINT64_MAX;
}

static void bell_write(void *opaque, uint64_t off, unsigned int size,
		       uint64_t val)
{
	struct virtio_pci *vpci = opaque;

	(void)size;
	(void)val;
	virtio_kick(&vpci->vdev, (unsigned int)off / VIRTIO_PCI_BELL_STEP);
}

static const struct bus_ops bell_ops = {
	.read = bell_read,
	.write = bell_write,
};

static bool has_bells(const struct virtio_pci *vpci)
{
	return vpci->vdev.nr_queues <= VIRTIO_PCI_BELL_QUEUES;
}

static void bells_init(struct virtio_pci *vpci)
{
	struct device *dev = &vpci->pci.dev;
	struct bus_range range = {
		.name = dev->id,
		.len = 16,
		.ops = &bell_ops,
		.dev = vpci,
		.lock = &dev->lock,
	};

	while (range.len < vpci->vdev.nr_queues * VIRTIO_PCI_BELL_STEP)
		range.len *= 2;
	pci_bar_init(&vpci->pci, VIRTIO_PCI_BAR_BELL, PCI_BAR_IO, &range);
}

/* ---- capabilities -------------------------------------------------------- */

/*
 * The window into the BAR through configuration space, for firmware that
 * cannot map BARs yet (4.1.4.9).  False unless the driver has set up an access
 * within the BAR.
 */
static bool cfg_window(const struct virtio_pci *vpci, uint32_t *off,
		       uint32_t *len)
{
	const uint8_t *cap = vpci->pci.config + vpci->cfg_cap;

	memcpy(off, cap + VIRTIO_PCI_CAP_OFFSET, sizeof(*off));
	memcpy(len, cap + VIRTIO_PCI_CAP_LENGTH, sizeof(*len));
	return cap[VIRTIO_PCI_CAP_BAR] == VIRTIO_PCI_BAR &&
	       (*len == 1 || *len == 2 || *len == 4) && !(*off % *len) &&
	       *off < VIRTIO_PCI_BAR_LEN;
}

static uint8_t *cfg_data(const struct virtio_pci *vpci)
{
	return vpci->pci.config + vpci->cfg_cap + sizeof(struct virtio_pci_cap);
}

static bool cfg_data_hit(const struct virtio_pci *vpci, unsigned int off,
			 unsigned int size)
{
	unsigned int data = (unsigned int)(cfg_data(vpci) - vpci->pci.config);

	return off < data + 4 && off + size > data;
}

static void vpci_config_read(struct pci_dev *pci, unsigned int off,
			     unsigned int size)
{
	struct virtio_pci *vpci = container_of(pci, struct virtio_pci, pci);
	uint32_t at, len, val;

	if (!cfg_data_hit(vpci, off, size) || !cfg_window(vpci, &at, &len))
		return;
	pthread_mutex_lock(&pci->dev.lock);
	val = (uint32_t)bar_read(vpci, at, len);
	pthread_mutex_unlock(&pci->dev.lock);
	memcpy(cfg_data(vpci), &val, len);
}

static void vpci_config_written(struct pci_dev *pci, unsigned int off,
				unsigned int size)
{
	struct virtio_pci *vpci = container_of(pci, struct virtio_pci, pci);
	uint32_t at, len, val = 0;
	bool open = cfg_window(vpci, &at, &len);

	pci_config_live(pci, open);
	if (!open || !cfg_data_hit(vpci, off, size))
		return;
	memcpy(&val, cfg_data(vpci), len);
	pthread_mutex_lock(&pci->dev.lock);
	bar_write(vpci, at, len, val);
	pthread_mutex_unlock(&pci->dev.lock);
}

/* A vendor capability of @size bytes; what follows the struct is zero. */
static uint8_t cap_add(struct virtio_pci *vpci, uint8_t type, uint8_t size,
		       uint32_t off, uint32_t len)
{
	uint8_t at = pci_cap_add(&vpci->pci, PCI_CAP_ID_VNDR, size);
	uint8_t *cap = vpci->pci.config + at;

	cap[VIRTIO_PCI_CAP_LEN] = size;
	cap[VIRTIO_PCI_CAP_CFG_TYPE] = type;
	cap[VIRTIO_PCI_CAP_BAR] = VIRTIO_PCI_BAR;
	memcpy(cap + VIRTIO_PCI_CAP_OFFSET, &off, sizeof(off));
	memcpy(cap + VIRTIO_PCI_CAP_LENGTH, &len, sizeof(len));
	return at;
}

/* Doorbells in @bar, @step bytes apart (4.1.4.4). */
static void cap_add_bells(struct virtio_pci *vpci, uint8_t bar, uint32_t off,
			  uint32_t step)
{
	const uint8_t size = sizeof(struct virtio_pci_cap) + sizeof(step);
	uint8_t *cap = vpci->pci.config +
		       cap_add(vpci, VIRTIO_PCI_CAP_NOTIFY_CFG, size, off,
			       vpci->vdev.nr_queues * step);

	cap[VIRTIO_PCI_CAP_BAR] = bar;
	memcpy(cap + VIRTIO_PCI_NOTIFY_CAP_MULT, &step, sizeof(step));
}

static void caps_init(struct virtio_pci *vpci)
{
	const uint8_t size = sizeof(struct virtio_pci_cap);
	struct virtio_dev *vdev = &vpci->vdev;
	uint8_t *wmask;

	cap_add(vpci, VIRTIO_PCI_CAP_COMMON_CFG, size, VIRTIO_PCI_COMMON,
		COMMON_LEN);
	cap_add(vpci, VIRTIO_PCI_CAP_ISR_CFG, size, VIRTIO_PCI_ISR_STATUS, 1);
	if (vdev->config_len)
		cap_add(vpci, VIRTIO_PCI_CAP_DEVICE_CFG, size,
			VIRTIO_PCI_DEVICE, (uint32_t)vdev->config_len);
	if (has_bells(vpci))
		cap_add_bells(vpci, VIRTIO_PCI_BAR_BELL, 0,
			      VIRTIO_PCI_BELL_STEP);
	cap_add_bells(vpci, VIRTIO_PCI_BAR, VIRTIO_PCI_NOTIFY,
		      VIRTIO_PCI_NOTIFY_STEP);

	vpci->cfg_cap = cap_add(vpci, VIRTIO_PCI_CAP_PCI_CFG, size + 4, 0, 0);
	vpci->pci.config[vpci->cfg_cap + VIRTIO_PCI_CAP_BAR] = 0;
	wmask = vpci->pci.wmask + vpci->cfg_cap;
	wmask[VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(wmask + VIRTIO_PCI_CAP_OFFSET, 0xff,
	       size + 4 - VIRTIO_PCI_CAP_OFFSET);
}

/* A window that was open is, and ISR status is what it was. */
void virtio_pci_loaded(struct virtio_pci *vpci)
{
	struct pci_dev *pci = &vpci->pci;
	uint32_t at, len;

	pthread_mutex_lock(&pci->host->lock);
	pci_config_live(pci, cfg_window(vpci, &at, &len));
	pthread_mutex_unlock(&pci->host->lock);
	pthread_mutex_lock(&pci->dev.lock);
	isr_set(vpci, vpci->isr);
	pthread_mutex_unlock(&pci->dev.lock);
}

/* ---- life ---------------------------------------------------------------- */

int virtio_pci_init(struct virtio_pci *vpci, const struct virtio_class *class,
		    struct error *err)
{
	struct device *dev = &vpci->pci.dev;
	const uint16_t legacy_id = dev->vm->cfg->virtio.transitional ?
					   virtio_legacy_id(class->id) :
					   0;
	/* By its revision, too, a legacy driver knows what is for it (4.1.2). */
	const struct pci_ids ids = {
		.vendor = PCI_VENDOR_VIRTIO,
		.device = legacy_id ? legacy_id : PCI_DEVICE_VIRTIO + class->id,
		.subsystem_vendor = PCI_VENDOR_VIRTIO,
		.subsystem = legacy_id ? class->id :
					 PCI_DEVICE_VIRTIO + class->id,
		.class_rev = class->pci_class << 8 | !legacy_id,
	};
	const struct bus_range range = {
		.name = dev->id,
		.len = VIRTIO_PCI_BAR_LEN,
		.ops = &bar_ops,
		.dev = vpci,
		.lock = &dev->lock,
	};
	int rc;

	if (dev->vm->cfg->virtio.transport == VIRTIO_MMIO)
		return virtio_mmio_new(&vpci->mmio, &vpci->vdev, class, dev,
				       err);
	rc = virtio_init(&vpci->vdev, class, &vpci_transport, dev);
	if (rc)
		return error_sys(err, -rc, "cannot make %s", dev->id);
	rc = pci_dev_init(&vpci->pci,
			  dev->slot ? (int)PCI_DEVFN(dev->slot, 0) : -1, &ids,
			  err);
	if (rc)
		goto err_virtio;
	vpci->pci.config[PCI_INTERRUPT_PIN] = 1;
	vpci->pci.config_written = vpci_config_written;
	vpci->pci.config_read = vpci_config_read;
	vpci->pci.bar_mapped = vpci_bar_mapped;
	vpci->pci.msix_changed = vpci_msix_changed;
	rc = pci_msix_init(&vpci->pci, VIRTIO_PCI_BAR_MSIX,
			   vpci->vdev.nr_queues + 1U);
	if (rc) {
		error_sys(err, -rc, "cannot make %s", dev->id);
		goto err_pci;
	}
	pci_bar_init(&vpci->pci, VIRTIO_PCI_BAR, PCI_BAR_MEM64, &range);
	if (has_bells(vpci))
		bells_init(vpci);
	if (legacy_id)
		virtio_legacy_init(vpci);
	caps_init(vpci);
	rules_init(vpci);
	rc = fast_region_init(&vpci->fast, dev->vm,
			      &vpci->pci.bars[VIRTIO_PCI_BAR].range, err);
	if (rc)
		goto err_pci;
	return 0;

err_pci:
	pci_dev_destroy(&vpci->pci);
err_virtio:
	virtio_destroy(&vpci->vdev);
	return rc;
}

void virtio_pci_destroy(struct virtio_pci *vpci)
{
	struct virtio_dev *vdev = &vpci->vdev;

	if (vpci->mmio) {
		virtio_mmio_free(vpci->mmio);
		return;
	}
	/* Unmaps the BAR, and with it the doorbells. */
	pci_dev_destroy(&vpci->pci);
	fast_region_destroy(&vpci->fast);
	virtio_destroy(vdev);
}

void virtio_pci_reset(struct device *dev)
{
	struct virtio_pci *vpci = container_of(dev, struct virtio_pci, pci.dev);

	virtio_reset(&vpci->vdev);
	if (!vpci->mmio)
		pci_dev_reset(&vpci->pci);
}

void virtio_pci_start(struct device *dev)
{
	virtio_start(&container_of(dev, struct virtio_pci, pci.dev)->vdev);
}

void virtio_pci_stop(struct device *dev)
{
	virtio_stop(&container_of(dev, struct virtio_pci, pci.dev)->vdev);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio console (virtio 1.2, 5.3) with one port.
 *
 * All of it runs in the device's loop, where the chardev's callbacks come too.
 * One chain of the receive queue is kept at hand: its length is the room that
 * the chardev is told of.
 */
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../chardev.h"
#include "../config.h"
#include "../error.h"
#include "../state.h"
#include "../vm.h"
#include "pci.h"
#include "virtio_devices.h"

#define BIT64(n) (1ULL << (n))

#define VCON_QUEUE_SIZE 64
/* Output goes out in pieces, so that the chardev can say when to hold back. */
#define VCON_PIECE 4096U

enum { VCON_RX, VCON_TX, VCON_QUEUES };

struct virtio_console {
	struct virtio_pci vpci;
	struct virtio_console_config config;
	struct chardev *chr;
	bool held; /* output waits for the chardev */
	bool have_rx;
	bool have_tx;
	struct ring_chain rx;
	struct ring_chain tx;
	struct iovec *tx_iov; /* of tx, what has not gone out */
	unsigned int tx_nr;
	/* Of a chain, what went out before its machine came here. */
	uint32_t tx_gone;
};

static struct virtio_console *to_vcon(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_console, vpci.vdev);
}

static size_t vcon_can_take(void *opaque)
{
	struct virtio_console *vcon = opaque;
	struct virtio_dev *vdev = &vcon->vpci.vdev;
	struct virtio_queue *vq = &vdev->queues[VCON_RX];

	if (!virtio_is_live(vdev))
		return 0;
	if (!vcon->have_rx)
		vcon->have_rx = virtio_pop(vq, &vcon->rx);
	if (!vcon->have_rx)
		return 0;
	if (!vcon->rx.write_len)
		virtio_break(vq, "receive buffer without room");
	return vcon->rx.write_len;
}

static void vcon_input(void *opaque, const uint8_t *buf, size_t len)
{
	struct virtio_console *vcon = opaque;
	struct virtio_queue *vq = &vcon->vpci.vdev.queues[VCON_RX];
	size_t n;

	/* A reset may have come since the chardev has asked. */
	while (len && vcon_can_take(vcon)) {
		n = iov_put(vcon->rx.iov + vcon->rx.nr_read, vcon->rx.nr_write,
			    buf, len);
		virtio_push(vq, &vcon->rx, (uint32_t)n);
		vcon->have_rx = false;
		buf += n;
		len -= n;
	}
	virtio_signal(vq);
}

/* Writes what is left of the chain, or as much as the chardev wants. */
static void vcon_write(struct virtio_console *vcon)
{
	size_t len;

	while (vcon->tx_nr && !vcon->held) {
		len = vcon->tx_iov->iov_len;
		if (len > VCON_PIECE)
			len = VCON_PIECE;
		vcon->held =
			!chardev_write(vcon->chr, vcon->tx_iov->iov_base, len);
		iov_trim_front(&vcon->tx_iov, &vcon->tx_nr, len);
	}
}

static void vcon_skip_gone(struct virtio_console *vcon)
{
	uint32_t gone = vcon->tx_gone;

	vcon->tx_gone = 0;
	iov_trim_front(&vcon->tx_iov, &vcon->tx_nr,
		       gone < vcon->tx.read_len ? gone : vcon->tx.read_len);
}

static bool vcon_serve_tx(struct virtio_console *vcon)
{
	struct virtio_queue *vq = &vcon->vpci.vdev.queues[VCON_TX];
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET && !vcon->held; n++) {
		if (!vcon->have_tx) {
			if (!virtio_pop(vq, &vcon->tx))
				break;
			vcon->have_tx = true;
			vcon->tx_iov = vcon->tx.iov;
			vcon->tx_nr = vcon->tx.nr_read;
			vcon_skip_gone(vcon);
		}
		vcon_write(vcon);
		if (vcon->tx_nr)
			break;
		vcon->have_tx = false;
		virtio_push(vq, &vcon->tx, 0);
	}
	virtio_signal(vq);
	return n == VIRTIO_BUDGET;
}

static void vcon_on_drained(void *opaque)
{
	struct virtio_console *vcon = opaque;

	vcon->held = false;
	virtio_serve(&vcon->vpci.vdev, VCON_TX);
}

static bool vcon_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_console *vcon = to_vcon(vdev);

	if (index == VCON_TX)
		return vcon_serve_tx(vcon);
	chardev_poll_input(vcon->chr);
	return false;
}

/* What the chardev has in its queue still goes out. */
static void vcon_reset(struct virtio_dev *vdev)
{
	struct virtio_console *vcon = to_vcon(vdev);

	vcon->have_rx = false;
	vcon->have_tx = false;
	vcon->tx_gone = 0;
}

static void vcon_reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_console *vcon = to_vcon(vdev);

	*(index == VCON_RX ? &vcon->have_rx : &vcon->have_tx) = false;
}

static const struct virtio_class vcon_virtio_class = {
	.id = VIRTIO_ID_CONSOLE,
	.nr_queues = VCON_QUEUES,
	.queue_size = VCON_QUEUE_SIZE,
	.pci_class = 0x078000, /* communication controller, other */
	.in_order = true,
	.replays = true,
	.serve = vcon_serve,
	.reset_queue = vcon_reset_queue,
	.reset = vcon_reset,
};

static void vcon_power_button(void *opaque)
{
	struct virtio_console *vcon = opaque;

	vm_power_button(vcon->vpci.pci.dev.vm);
}

static void vcon_stop(void *opaque)
{
	struct virtio_console *vcon = opaque;

	vm_request_by(vcon->vpci.pci.dev.vm, VM_REQ_STOP, VM_BY_USER);
}

static void vcon_machine_reset(void *opaque)
{
	struct virtio_console *vcon = opaque;

	vm_request_by(vcon->vpci.pci.dev.vm, VM_REQ_RESET, VM_BY_USER);
}

/* The size is known, and told, only of a terminal (5.3.4). */
static void vcon_size(struct virtio_console *vcon, const char *target)
{
	struct winsize ws;

	if (strcmp(target, "stdio") || ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) ||
	    !ws.ws_col || !ws.ws_row)
		return;
	vcon->config.cols = ws.ws_col;
	vcon->config.rows = ws.ws_row;
	vcon->vpci.vdev.features = BIT64(VIRTIO_CONSOLE_F_SIZE);
}

static int vcon_realize(struct device *dev, const void *config,
			struct error *err)
{
	struct virtio_console *vcon =
		container_of(dev, struct virtio_console, vpci.pci.dev);
	const struct vcon_config *cfg = config;
	const struct chardev_client client = {
		.can_take = vcon_can_take,
		.input = vcon_input,
		.on_drained = vcon_on_drained,
		.opaque = vcon,
	};
	const struct chardev_escape escape = {
		.power_button = vcon_power_button,
		.stop = vcon_stop,
		.reset = vcon_machine_reset,
		.opaque = vcon,
	};
	int rc;

	vcon_size(vcon, cfg->target);
	vcon->vpci.vdev.config = &vcon->config;
	vcon->vpci.vdev.config_len = sizeof(vcon->config);
	rc = virtio_pci_init(&vcon->vpci, &vcon_virtio_class, err);
	if (rc)
		return rc;
	rc = chardev_open(&vcon->chr, dev->vm->loop, cfg->target, &client,
			  &escape, err);
	if (rc)
		goto err_pci;
	return 0;

err_pci:
	virtio_pci_destroy(&vcon->vpci);
	return rc;
}

static void vcon_unrealize(struct device *dev)
{
	struct virtio_console *vcon =
		container_of(dev, struct virtio_console, vpci.pci.dev);

	chardev_close(vcon->chr);
	virtio_pci_destroy(&vcon->vpci);
}

const struct chardev *virtio_console_chardev(const struct device *dev)
{
	return container_of(dev, struct virtio_console, vpci.pci.dev)->chr;
}

static const struct state_field vcon_fields[] = {
	STATE_VIRTIO(struct virtio_console),
	{ STATE_U(struct virtio_console, tx_gone) },
	{ 0 },
};

/* A chain that is half written is popped again there, and the rest of it goes out. */
static int vcon_prepare(void *obj, struct error *err)
{
	struct virtio_console *vcon = obj;
	unsigned int i;

	if (vcon->have_tx) {
		vcon->tx_gone = vcon->tx.read_len;
		for (i = 0; i < vcon->tx_nr; i++)
			vcon->tx_gone -= (uint32_t)vcon->tx_iov[i].iov_len;
	}
	return virtio_pci_state_prepare(obj, err);
}

static const struct state_table vcon_state = {
	.version = 1,
	.fields = vcon_fields,
	.prepare = vcon_prepare,
	.loaded = virtio_pci_state_loaded,
};

const struct dev_class virtio_console_class = {
	.name = "vcon",
	.size = sizeof(struct virtio_console),
	.realize = vcon_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.state = &vcon_state,
	.unrealize = vcon_unrealize,
};

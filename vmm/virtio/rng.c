// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio entropy device (virtio 1.2, 5.4).
 *
 * The source is the kernel's generator, or any file: then a request waits until
 * the source can be read.  All of it runs in the device's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "../config.h"
#include "../error.h"
#include "pci.h"
#include "virtio_devices.h"

#define RNG_QUEUE_SIZE 8
/* A request that asks for more gets this much (5.4.6.1 allows that). */
#define RNG_MAX 4096
#define RNG_DEFAULT "/dev/urandom"

struct virtio_rng {
	struct virtio_pci vpci;
	struct loop_fd source; /* fd -1: getrandom */
	bool waiting;	       /* chain waits for the source */
	bool dry;	       /* the source has ended */
	struct ring_chain chain;
};

static struct virtio_rng *to_rng(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_rng, vpci.vdev);
}

/* Bytes, or 0 if there are none now or, with rng->dry, ever again. */
static size_t rng_get(struct virtio_rng *rng, uint8_t *buf, size_t len)
{
	ssize_t n;

	if (rng->dry)
		return 0;
	do {
		n = rng->source.fd < 0 ? getrandom(buf, len, 0) :
					 read(rng->source.fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return (size_t)n;
	if (n < 0 && errno == EAGAIN)
		return 0;
	log_error(rng->vpci.pci.dev.id, "no more random bytes: %s",
		  n < 0 ? strerror(errno) : "end of the source");
	rng->dry = true;
	return 0;
}

/* Watched only while somebody waits: one that hung up would never be quiet. */
static void rng_watch(struct virtio_rng *rng)
{
	struct loop *loop = rng->vpci.vdev.loop;
	int rc;

	if (!rng->waiting || rng->dry) {
		loop_fd_del(loop, &rng->source);
		return;
	}
	if (rng->source.added)
		return;
	rc = loop_fd_add(loop, &rng->source);
	if (!rc)
		return;
	log_error(rng->vpci.pci.dev.id, "cannot watch the random source: %s",
		  strerror(-rc));
	rng->dry = true;
}

/* Fills the chain, or leaves it waiting. */
static void rng_answer(struct virtio_rng *rng)
{
	struct ring_chain *chain = &rng->chain;
	size_t len = chain->write_len < RNG_MAX ? chain->write_len : RNG_MAX;
	uint8_t buf[RNG_MAX];

	if (len)
		len = rng_get(rng, buf, len);
	rng->waiting = !len && chain->write_len;
	if (rng->waiting)
		return;
	iov_put(chain->iov + chain->nr_read, chain->nr_write, buf, len);
	virtio_push(rng->vpci.vdev.queues, chain, (uint32_t)len);
}

static bool rng_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_queue *vq = &vdev->queues[index];
	struct virtio_rng *rng = to_rng(vdev);
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		if (!rng->waiting && !virtio_pop(vq, &rng->chain))
			break;
		rng_answer(rng);
		if (rng->waiting)
			break;
	}
	rng_watch(rng);
	virtio_signal(vq);
	return n == VIRTIO_BUDGET;
}

static void rng_on_source(void *opaque, uint32_t events)
{
	struct virtio_rng *rng = opaque;

	(void)events;
	loop_fd_del(rng->vpci.vdev.loop, &rng->source);
	virtio_serve(&rng->vpci.vdev, 0);
}

static void rng_reset(struct virtio_dev *vdev)
{
	struct virtio_rng *rng = to_rng(vdev);

	rng->waiting = false;
	rng_watch(rng);
}

static void rng_reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	(void)index;
	rng_reset(vdev);
}

static const struct virtio_class rng_virtio_class = {
	.id = VIRTIO_ID_RNG,
	.nr_queues = 1,
	.queue_size = RNG_QUEUE_SIZE,
	.pci_class = 0x00ff00, /* none that PCI has a number for */
	.in_order = true,
	.replays = true,
	.serve = rng_serve,
	.reset_queue = rng_reset_queue,
	.reset = rng_reset,
};

static int rng_open(struct virtio_rng *rng, const char *path, struct error *err)
{
	rng->source.fd = -1;
	rng->source.events = EPOLLIN;
	rng->source.fn = rng_on_source;
	rng->source.opaque = rng;
	if (!path || !strcmp(path, RNG_DEFAULT))
		return 0;
	rng->source.fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (rng->source.fd < 0)
		return error_sys(err, errno, "cannot open random source %s",
				 path);
	return 0;
}

static int rng_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct virtio_rng *rng =
		container_of(dev, struct virtio_rng, vpci.pci.dev);
	const struct rng_config *cfg = config;
	int rc;

	rc = rng_open(rng, cfg->source, err);
	if (rc)
		return rc;
	rc = virtio_pci_init(&rng->vpci, &rng_virtio_class, err);
	if (rc)
		goto err_close;
	return 0;

err_close:
	if (rng->source.fd >= 0)
		close(rng->source.fd);
	return rc;
}

static void rng_unrealize(struct device *dev)
{
	struct virtio_rng *rng =
		container_of(dev, struct virtio_rng, vpci.pci.dev);

	loop_fd_del(rng->vpci.vdev.loop, &rng->source);
	virtio_pci_destroy(&rng->vpci);
	if (rng->source.fd >= 0)
		close(rng->source.fd);
}

const struct dev_class virtio_rng_class = {
	.name = "rng",
	.size = sizeof(struct virtio_rng),
	.realize = rng_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.state = &virtio_plain_state,
	.unrealize = rng_unrealize,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * What a VM's guest-physical memory is, for the module: which range is which part
 * of which memory object.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "mem.h"

/**
 * struct vireo_map - a range of guest-physical memory
 * @link: in vireo_vm.maps
 * @gpa: its first address
 * @len: bytes
 * @offset: into the object
 * @mem_file: the object; owns a reference
 * @readonly: not to be written for the guest
 * @stats: shows it
 */
struct vireo_map {
	struct list_head link;
	u64 gpa;
	u64 len;
	u64 offset;
	struct file *mem_file;
	bool readonly;
	struct vireo_map_stats stats;
};

/**
 * vireo_mem_map_init() - a new VM has no memory
 * @vm: the VM
 */
void vireo_mem_map_init(struct vireo_vm *vm)
{
	INIT_LIST_HEAD(&vm->maps);
	init_rwsem(&vm->maps_lock);
}

/* Shown before it can be found, and until it cannot be any more. */
static void show_map(struct vireo_vm *vm, struct vireo_map *map)
{
	map->stats = (struct vireo_map_stats){
		.gpa = map->gpa,
		.len = map->len,
		.offset = map->offset,
		.readonly = map->readonly,
		.mem = &vireo_mem_of(map->mem_file)->stats,
	};
	vireo_map_stats_add(&vm->stats, &map->stats);
}

static void free_map(struct vireo_map *map)
{
	fput(map->mem_file);
	kfree(map);
}

/**
 * vireo_mem_unmap_all() - a VM goes
 * @vm: the VM, of which nobody makes use any more
 */
void vireo_mem_unmap_all(struct vireo_vm *vm)
{
	struct vireo_map *map, *next;

	list_for_each_entry_safe(map, next, &vm->maps, link) {
		list_del(&map->link);
		vireo_map_stats_del(&vm->stats, &map->stats);
		free_map(map);
	}
}

static bool map_ok(const struct vireo_mem_map *arg)
{
	return !(arg->flags & ~VIREO_MEM_MAP_READONLY) && !arg->reserved &&
	       arg->len && PAGE_ALIGNED(arg->gpa) && PAGE_ALIGNED(arg->len) &&
	       PAGE_ALIGNED(arg->offset) && arg->gpa + arg->len > arg->gpa;
}

static int add_map(struct vireo_vm *vm, struct vireo_map *map)
{
	struct list_head *before = &vm->maps;
	const struct vireo_map *other;
	int ret = 0;

	down_write(&vm->maps_lock);
	if (vm->nr_maps >= VIREO_MAX_MEM_MAPS)
		ret = -ENOSPC;
	list_for_each_entry(other, &vm->maps, link) {
		if (map->gpa < other->gpa + other->len &&
		    other->gpa < map->gpa + map->len)
			ret = -EEXIST;
		if (other->gpa > map->gpa) {
			before = (struct list_head *)&other->link;
			break;
		}
	}
	if (!ret) {
		list_add_tail(&map->link, before);
		vm->nr_maps++;
	}
	up_write(&vm->maps_lock);
	return ret;
}

/**
 * vireo_mem_map() - VIREO_MEM_MAP
 * @object: the VM
 * @arg: struct vireo_mem_map
 * @uarg: gets nothing
 *
 * Return: 0 or a negative errno.
 */
long vireo_mem_map(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_map *in = &arg->mem_map;
	struct vireo_vm *vm = object;
	const struct vireo_mem *mem;
	struct vireo_map *map;
	u64 bytes;
	int ret;

	if (!map_ok(in))
		return -EINVAL;
	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;
	map->gpa = in->gpa;
	map->len = in->len;
	map->offset = in->offset;
	map->readonly = in->flags & VIREO_MEM_MAP_READONLY;
	map->mem_file = fget(in->mem_fd);
	if (!map->mem_file) {
		kfree(map);
		return -EBADF;
	}

	ret = -EINVAL;
	mem = vireo_mem_of(map->mem_file);
	if (!mem)
		goto err_free;
	bytes = (u64)mem->nr_pages << PAGE_SHIFT;
	if (in->offset >= bytes || in->len > bytes - in->offset)
		goto err_free;
	show_map(vm, map);
	ret = add_map(vm, map);
	if (ret)
		goto err_hide;
	return 0;

err_hide:
	vireo_map_stats_del(&vm->stats, &map->stats);
err_free:
	free_map(map);
	return ret;
}

/**
 * vireo_mem_unmap() - VIREO_MEM_UNMAP
 * @object: the VM
 * @arg: struct vireo_mem_map
 * @uarg: gets nothing
 *
 * Return: 0 or a negative errno.
 */
long vireo_mem_unmap(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_map *in = &arg->mem_map;
	struct vireo_map *map, *found = NULL;
	struct vireo_vm *vm = object;

	if (!map_ok(in) || in->flags || in->mem_fd || in->offset)
		return -EINVAL;

	down_write(&vm->maps_lock);
	list_for_each_entry(map, &vm->maps, link)
		if (map->gpa == in->gpa && map->len == in->len)
			found = map;
	if (found) {
		list_del(&found->link);
		vm->nr_maps--;
	}
	up_write(&vm->maps_lock);
	if (!found)
		return -ENOENT;
	vireo_map_stats_del(&vm->stats, &found->stats);
	free_map(found);
	return 0;
}

/*
 * Finds what is at an address.  Return: the object's file with a reference, or
 * NULL; *@pos: where in the object; *@len: bytes that follow there.
 */
static struct file *find_map(struct vireo_vm *vm, u64 gpa, bool write, u64 *pos,
			     u64 *len)
{
	const struct vireo_map *map;
	struct file *file = NULL;

	down_read(&vm->maps_lock);
	list_for_each_entry(map, &vm->maps, link) {
		u64 at = gpa - map->gpa;

		if (gpa < map->gpa || at >= map->len)
			continue;
		if (write && map->readonly)
			break;
		*pos = map->offset + at;
		*len = map->len - at;
		file = get_file(map->mem_file);
		break;
	}
	up_read(&vm->maps_lock);
	return file;
}

/**
 * vireo_mem_map_rw() - copy to or from guest memory
 * @vm: the VM
 * @gpa: where
 * @iter: user memory
 * @write: to the guest
 *
 * No user mapping of guest memory is involved.
 *
 * Return: bytes copied, or if none were, a negative errno.
 */
ssize_t vireo_mem_map_rw(struct vireo_vm *vm, u64 gpa, struct iov_iter *iter,
			 bool write)
{
	ssize_t done = 0, ret = 0;

	while (iov_iter_count(iter)) {
		size_t count = iov_iter_count(iter);
		struct file *file;
		u64 pos, len;

		file = find_map(vm, gpa, write, &pos, &len);
		if (!file) {
			ret = -EFAULT;
			break;
		}
		iov_iter_truncate(iter, len);
		ret = vireo_mem_rw(vireo_mem_of(file), pos, iter, write);
		fput(file);
		iov_iter_reexpand(iter, count - max_t(ssize_t, ret, 0));
		if (ret <= 0)
			break;
		/* If it was cut short, the next turn says why. */
		done += ret;
		gpa += ret;
	}
	return done ? done : ret;
}

/**
 * vireo_map_page() - get a page of guest memory
 * @vm: the VM
 * @gpa: any address in it
 * @write: it will be written
 *
 * As vireo_mem_page().
 *
 * Return: the page with a reference, or an ERR_PTR(): -EFAULT if nothing is
 * mapped there, or nothing that may be written.
 */
struct page *vireo_map_page(struct vireo_vm *vm, u64 gpa, bool write)
{
	struct page *page = ERR_PTR(-EFAULT);
	const struct vireo_map *map;

	/* Held meanwhile, which keeps the object. */
	down_read(&vm->maps_lock);
	list_for_each_entry(map, &vm->maps, link) {
		u64 at = gpa - map->gpa;

		if (gpa < map->gpa || at >= map->len)
			continue;
		if (!write || !map->readonly)
			page = vireo_mem_page(vireo_mem_of(map->mem_file),
					      (map->offset + at) >> PAGE_SHIFT,
					      write);
		break;
	}
	up_read(&vm->maps_lock);
	return page;
}

/**
 * vireo_map_copy() - copy to or from guest memory
 * @vm: the VM
 * @gpa: where
 * @buf: kernel memory
 * @len: bytes
 * @write: to the guest
 *
 * Return: 0 or a negative errno, -EFAULT as above; some may be copied then.
 */
int vireo_map_copy(struct vireo_vm *vm, u64 gpa, void *buf, size_t len,
		   bool write)
{
	while (len) {
		size_t offset = offset_in_page(gpa);
		size_t n = min(len, PAGE_SIZE - offset);
		struct page *page = vireo_map_page(vm, gpa, write);

		if (IS_ERR(page))
			return PTR_ERR(page);
		if (write)
			memcpy_to_page(page, offset, buf, n);
		else
			memcpy_from_page(buf, page, offset, n);
		put_page(page);
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

# SPDX-License-Identifier: GPL-2.0-or-later
# Bash completion for vireo-stat.

_vireo_stat()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local stat=${COMP_WORDS[0]} words='' name

	COMPREPLY=()
	case $prev in
	--root)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		compopt -o filenames
		return
		;;
	# A guest's name may be anything: compgen -W would expand it.
	--vm)
		while read -r name; do
			[[ $name != "$cur"* ]] ||
				COMPREPLY+=("$(printf %q "$name")")
		done < <("$stat" --once 2>/dev/null | sed '1d; /^$/,$d; s/  .*//')
		return
		;;
	-i | --interval | -n | --count) ;;
	*)
		words=$("$stat" --help 2>/dev/null |
			grep -o '^ .*--[a-z]*' | grep -o -e '-[-a-z1A-Z]*')
		;;
	esac
	[[ -z $words ]] ||
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _vireo_stat vireo-stat

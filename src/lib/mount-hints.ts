/** What is most often behind a file that cannot be read in a container. */

export const IS_IT_MOUNTED = 'in a container: is its folder mounted (-v FOLDER:PATH)?'
export const NO_SUCH_FILE = `there is no such file; ${IS_IT_MOUNTED}`
export const IS_A_FOLDER = 'it is a folder; engines make one where the file of a -v is not there on the host'
